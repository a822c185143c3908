/* SPDX-License-Identifier: MIT */
/* replay FILE|FOLDER...: what a fuzzer would do with these inputs, without a fuzzer. */
#include <dirent.h>
#include <errno.h>

#include "fuzz.h"

static unsigned n_inputs;

static void
replay(const char *path)
{
	static uint8_t bytes[1u << 20];
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	size_t n = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	/* So that a byte behind the input is one byte too many. */
	uint8_t *exact = malloc(n > 0 ? n : 1);
	NEED(exact != NULL);
	memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	n_inputs++;
}

static void
replay_all(const char *path)
{
	char name[4096];
	struct dirent *entry;
	DIR *folder = opendir(path);
	if (folder == NULL) {
		replay(path);
		return;
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		replay(name);
	}
	closedir(folder);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay_all(argv[i]);
	printf("%u inputs\n", n_inputs);
	return n_inputs == 0;
}
