# SPDX-License-Identifier: MIT
"""--path: where relative paths start, in programs that go elsewhere, as files of a folder."""
import pytest

from world import SITE, stage, wait_until  # noqa: F401
import harness

WAYS = {
    "chdir": "os.chdir('data'); open('x').close()",
    "there and back": "os.chdir('data'); os.chdir('..'); open('data/x').close()",
    "failed": "try: os.chdir('none')\nexcept OSError: pass\ntime.sleep(3.3); open('data/x').close()",
    "by descriptor": "os.chdir(os.open('data', os.O_RDONLY)); open('x').close()",
    "counted": "os.chdir('data'); open('x').close()",
    "through a link": "os.chdir('link'); time.sleep(3.3); open('x').close()",
    "and later": "os.chdir(os.open('data', os.O_RDONLY)); os.chdir('.')\n"
                 "time.sleep(3.3); open('./x').close(); open('../x').close()",
}


@pytest.fixture
def folder(stage):  # noqa: F811
    (stage.tmp / "data").mkdir()
    for name in ("data/x", "data/y", "x"):
        (stage.tmp / name).touch()
    return stage.tmp


def shown(run):
    return [(line["event"], line["path"]) for line in run.events()]


@pytest.mark.parametrize("way, events", [("chdir", None), ("chdir", "open,os.listdir"), *(
    (way, "all=count,+open" if way == "counted" else "open") for way in WAYS)])
def test_working_directory_is_followed(stage, folder, way, events):  # noqa: F811
    """Also where os.chdir was not asked for; it is not shown then."""
    (folder / "link").symlink_to("data")
    name = "link" if way == "through a link" else "data"
    run = stage.collector("-P", folder / name / "x", *(["-e", events] if events else []), "--",
                          stage.python.path, "-c", "import os, time\n" + WAYS[way]).finish()
    [(event, path)] = shown(run)
    assert event == "open" and path.endswith("x")


def test_it_is_where_it_was_when_what_was_held_happened(stage, folder):  # noqa: F811
    program = stage.program(
        stage.python.path, "-c", "import os, time; open('x').close(); os.chdir('data')\n"
        "open('x').close(); os.close(os.open('/', 0)); open('done', 'w').close(); time.sleep(60)",
        env=harness.environment(folder, PYAUDITD="1", PYTHONPATH=SITE))
    wait_until((folder / "data" / "done").exists, "it has done all that")
    for name, n in ("x", 1), ("data/x", 1), ("data", 3), ("data/data", 0):
        run = stage.collector("--pid", program.inner, "--dump", "-P", folder / name).finish()
        assert len(run.events()) == n, (name, shown(run))


LOST = {  # the first events, or the last
    "overwrite": """import os, sys, time
os.chdir("data")
for i in range(30000): sys.audit("a.b", i)
open("x").close()
open("done", "w").close()
time.sleep(60)
""",
    "drop": """import os, sys, time
for i in range(30000): sys.audit("a.b", i)
os.chdir("data")
open("done", "w").close()
while not os.path.exists("../go"): time.sleep(0.01)
open("x").close()
time.sleep(60)
"""}


@pytest.mark.parametrize("mode", ["overwrite", "drop"])
def test_where_a_change_may_be_lost_what_may_be_meant_passes(stage, folder, mode):  # noqa: F811
    target = stage.program(stage.python.path, "-c", LOST[mode], env=harness.environment(
        folder, PYAUDITD="1", PYTHONPATH=SITE, PYAUDITD_MODE=mode, PYAUDITD_RING="256k"))
    wait_until((folder / "data" / "done").exists, "it has done all that")
    options = ["--pid", target.inner, "-P", folder / "data" / "x"]
    if mode == "overwrite":
        run = stage.collector(*options, "--dump").finish()
    else:
        collector = stage.attached(*options, "--backlog")
        (folder / "go").touch()
        collector.wait_for('"event":"open"')
        run = collector.stop()
    assert shown(run) == [("open", "x")]


def test_program_that_records_no_change_is_looked_after(stage, folder):  # noqa: F811
    """What it records is its own to say, without -e."""
    program = stage.program(
        stage.python.path, "-c", "import os, time\nopen('ready', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "os.chdir('data'); time.sleep(2.5); open('x').close(); time.sleep(60)",
        env=harness.environment(folder, PYAUDITD="1", PYTHONPATH=SITE, PYAUDITD_EVENTS="open"))
    wait_until((folder / "ready").exists, "it is there")
    collector = stage.attached("--pid", program.inner, "-P", folder / "data" / "x")
    (folder / "go").touch()
    collector.wait_for('"event":"open"')
    assert shown(collector.stop()) == [("open", "x")]


def test_folder_that_is_open_may_be_any(stage, folder):  # noqa: F811
    """What shutil.rmtree() removes is named from there."""
    (folder / "tree" / "sub").mkdir(parents=True)
    for name in ("f", "g"):
        (folder / "tree" / "sub" / name).touch()
    run = stage.collector("-P", folder / "tree" / "sub" / "f", "--", stage.python.path, "-c",
                          "import shutil; shutil.rmtree('tree')").finish()
    assert shown(run) == [("os.remove", "f")]


def test_name_that_is_no_utf8(stage, folder):  # noqa: F811
    program = "import os; open(b'caf\\xe9', 'w'); open(os.fsdecode(b'caf\\xe9')); open('caf', 'w')"
    run = stage.collector("-P", str(folder) + "/caf\udce9", "--", stage.python.path, "-c",
                          program).finish()
    assert shown(run) == [("open", "caf%E9")] * 2
