/* SPDX-License-Identifier: MIT */
/*
 * What a benchmark asks of a segment, as an extension module: how much stands in its first lane,
 * and how many calls were summed up. Linked with common/, so that it is right about the format.
 */
#include <Python.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "segment.h"

static bool
read_at(int fd, void *bytes, size_t n, uint64_t offset)
{
	ssize_t got = pread(fd, bytes, n, (off_t)offset);
	if (got >= 0 && (size_t)got != n)
		errno = EBADMSG;
	return got >= 0 && (size_t)got == n;
}

static bool
sum_calls(int fd, const struct segment_layout *at, uint32_t n_ids, uint64_t *calls)
{
	size_t bytes = n_ids * sizeof(struct call_stats);
	struct call_stats *stats = malloc(bytes);
	bool ok = stats != NULL;
	*calls = 0;
	for (uint32_t i = 0; ok && i < at->n_call_tables; i++) {
		ok = read_at(fd, stats, bytes, at->call_tables + i * at->call_table_bytes);
		for (uint32_t id = 0; ok && id < n_ids; id++)
			*calls += stats[id].calls;
	}
	free(stats);
	return ok;
}

/* totals(fd) -> slots written, slots read, events at level record, calls summed up */
static PyObject *
totals(PyObject *self, PyObject *descriptor)
{
	struct segment_header header;
	struct lane_shared lane;
	uint64_t calls = 0;
	(void)self;
	int fd = PyObject_AsFileDescriptor(descriptor);
	if (fd < 0)
		return NULL;
	if (!read_at(fd, &header, sizeof header, 0))
		return PyErr_SetFromErrno(PyExc_OSError);
	struct segment_layout at = segment_layout(&header);
	if (!read_at(fd, &lane, sizeof lane, segment_lane_offset(&at, 0)) ||
	    !sum_calls(fd, &at, header.n_ids, &calls))
		return PyErr_SetFromErrno(PyExc_OSError);
	return Py_BuildValue("KKKK", (unsigned long long)lane.head, (unsigned long long)lane.tail,
			     (unsigned long long)lane.seq, (unsigned long long)calls);
}

static PyMethodDef methods[] = {
	{"totals", totals, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "bench_lane", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_bench_lane(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC
PyInit_bench_lane(void)
{
	return PyModule_Create(&module);
}
