/* SPDX-License-Identifier: MIT */
#include "args.h"

#include "dict_scan.h"
#include "utf8.h"
#include "value.h"

/* A value is given room for at least its shape. */
#define VALUE_MIN_BYTES 10
#define SEQUENCE_HEAD 13
#define TEXT_HEAD 13
#define TEXT_MAX 4096        /* of a string that is neither path nor argv */
#define SEQUENCE_MAX 64      /* items, likewise */
#define BIGINT_MAX_BYTES 512
#define FEW_ARGS 16          /* find room in every record, behind a name and a stack, too */

/*
 * In so many, the open one included, a string of 255 bytes finds room, and UINT8_MAX small values.
 */
#define SHORT_STR_SLOTS ((UINT8_MAX + TEXT_HEAD + UINT8_MAX * VALUE_MIN_BYTES) / SLOTN_PAYLOAD + 2)

/* What one argument may take. */
struct limits {
	size_t text, items;
};
static const struct limits usual = {TEXT_MAX, SEQUENCE_MAX};
static const struct limits whole = {SIZE_MAX, SIZE_MAX};

static void
put_tag(struct lane_writer *w, uint8_t tag)
{
	lane_put(w, &tag, 1);
}

static __attribute__((noinline, cold)) void
put_across(struct lane_writer *w, uint8_t tag, const void *bytes, size_t n)
{
	put_tag(w, tag);
	lane_put(w, bytes, n);
}

/*
 * A tag and at most 8 bytes. Where the slot has room, eight are stored whatever n is, straight
 * into it: bytes put together in a buffer first would be read back before they have left the
 * store buffer, which costs more than everything else here.
 */
static inline void
put_fixed(struct lane_writer *w, uint8_t tag, const void *bytes, size_t n)
{
	if (likely(w->end - w->at >= 9)) {
		uint8_t *at = w->at;
		w->at = at + 1 + n;
		at[0] = tag;
		memcpy(at + 1, bytes, 8);
		return;
	}
	put_across(w, tag, bytes, n);
}

static inline void
put_int(struct lane_writer *w, int64_t value)
{
	uint8_t bytes[ARGS_INT_BYTES];
	if (likely(w->end - w->at >= ARGS_INT_BYTES))
		w->at = args_int(w->at, value);
	else
		lane_put(w, bytes, (size_t)(args_int(bytes, value) - bytes));
}

/* An int that py_long_small() does not take. */
static __attribute__((noinline, cold)) void
put_big(struct lane_writer *w, PyObject *value, size_t budget)
{
	unsigned char bytes[BIGINT_MAX_BYTES];
	uint64_t bits = py_long_bits(value);
	size_t n = bits / 8 + 1;
	if (n > sizeof bytes || n + 3 > budget || py_long_bytes(value, bytes, n) < 0) {
		put_fixed(w, VALUE_HUGEINT, &bits, 8);
	} else if (n <= 8) {
		int64_t small = (bytes[n - 1] & 0x80) ? -1 : 0;
		memcpy(&small, bytes, n);
		put_int(w, small);
	} else {
		uint64_t len = n;
		put_fixed(w, VALUE_BIGINT, &len, 2);
		lane_put(w, bytes, n);
	}
}

/* tag, len, [full]: the head of a string of `len` bytes in the record. */
static inline void
put_text_head(struct lane_writer *w, uint8_t tag8, size_t len, bool cut, uint64_t full)
{
	uint8_t head[TEXT_HEAD];
	uint32_t len32 = (uint32_t)len;
	if (!cut && len <= UINT8_MAX) {
		uint64_t len64 = len;
		put_fixed(w, tag8, &len64, 1);
		return;
	}
	head[0] = (uint8_t)(tag8 + (cut ? 2 : 1));
	memcpy(head + 1, &len32, 4);
	memcpy(head + 5, &full, 8);
	lane_put(w, head, cut ? 13 : 5);
}
_Static_assert(VALUE_STR == VALUE_STR8 + 1 && VALUE_STR_CUT == VALUE_STR8 + 2, "put_text_head");
_Static_assert(VALUE_BYTES == VALUE_BYTES8 + 1 && VALUE_BYTES_CUT == VALUE_BYTES8 + 2,
	       "put_text_head");

static size_t
text_room(size_t budget, size_t limit)
{
	size_t room = budget > TEXT_HEAD ? budget - TEXT_HEAD : 0;
	return room < limit ? room : limit;
}

static void
put_bytes(struct lane_writer *w, const char *bytes, size_t n, size_t budget, size_t limit)
{
	size_t room = text_room(budget, limit), len = n < room ? n : room;
	put_text_head(w, VALUE_BYTES8, len, len < n, n);
	lane_put(w, bytes, len);
}

static void
put_str(struct lane_writer *w, PyObject *str, size_t budget, size_t limit)
{
	size_t n = (size_t)PyUnicode_GET_LENGTH(str), room = text_room(budget, limit);
	const void *data = PyUnicode_DATA(str);
	if (likely(PyUnicode_IS_ASCII(str))) {
		size_t len = n < room ? n : room;
		put_text_head(w, VALUE_STR8, len, len < n, n);
		lane_put(w, data, len);
		return;
	}
	char piece[256];
	size_t used = 0, kind = PyUnicode_KIND(str);
	size_t len = utf8_fit(data, kind, n, room, &used);
	put_text_head(w, VALUE_STR8, len, used < n, n);
	for (size_t at = 0; at < used;) {
		size_t part = utf8_encode(data, kind, &at, used, piece, sizeof piece);
		lane_put(w, piece, part);
	}
}

void
args_encode_text(struct lane_writer *w, const char *text, size_t len)
{
	size_t room = text_room(lane_room(w), TEXT_MAX), n = len < room ? len : room;
	put_text_head(w, VALUE_STR8, n, n < len, len);
	lane_put(w, text, n);
}

size_t
args_utf8(PyObject *str, char *to, size_t size)
{
	size_t at = 0, n = (size_t)PyUnicode_GET_LENGTH(str);
	return utf8_encode(PyUnicode_DATA(str), PyUnicode_KIND(str), &at, n, to, size);
}

/* "module.Name"; a static type's tp_name holds its module already. */
static void
put_type_name(struct lane_writer *w, PyTypeObject *type, size_t budget)
{
	char name[256];
	size_t len = 0, room = budget - 2 < sizeof name - 1 ? budget - 2 : sizeof name - 1;
	if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
		PyObject *dict = type->tp_dict;
		enum py_hold hold = dict != NULL ? py_hold(dict) : PY_NOT_HELD;
		PyObject *module = hold ? dict_scan(dict, "__module__") : NULL;
		PyObject *qualname = ((PyHeapTypeObject *)type)->ht_qualname;
		if (module != NULL) {
			len = args_utf8(module, name, room);
			if (len < room)
				name[len++] = '.';
		}
		py_release(dict, hold);
		if (qualname != NULL && PyUnicode_CheckExact(qualname))
			len += args_utf8(qualname, name + len, room - len);
	} else {
		len = strlen(type->tp_name);
		if (len > room)
			len = room;
		memcpy(name, type->tp_name, len);
	}
	uint8_t head[2] = {VALUE_OBJECT, (uint8_t)len};
	lane_put(w, head, 2);
	lane_put(w, name, len);
}

static void
kind_and_size(PyObject *value, uint8_t *kind, uint64_t *full)
{
	*full = 0;
	*kind = KIND_OTHER;
	if (PyUnicode_CheckExact(value)) {
		*kind = KIND_STR;
		*full = (uint64_t)PyUnicode_GET_LENGTH(value);
	} else if (PyBytes_CheckExact(value)) {
		*kind = KIND_BYTES;
		*full = (uint64_t)PyBytes_GET_SIZE(value);
	} else if (PyTuple_CheckExact(value)) {
		*kind = KIND_TUPLE;
		*full = (uint64_t)PyTuple_GET_SIZE(value);
	} else if (PyList_CheckExact(value)) {
		*kind = KIND_LIST;
		*full = (uint64_t)PyList_GET_SIZE(value);
	} else if (PyDict_CheckExact(value)) {
		*kind = KIND_DICT;
		*full = (uint64_t)PyDict_GET_SIZE(value);
	} else if (value == Py_None) {
		*kind = KIND_NONE;
	} else if (PyLong_CheckExact(value)) {
		*kind = KIND_INT;
	}
}

static void
put_kind(struct lane_writer *w, uint8_t tag, PyObject *value)
{
	uint8_t buffer[10];
	uint64_t full;
	kind_and_size(value, &buffer[1], &full);
	buffer[0] = tag;
	memcpy(buffer + 2, &full, 8);
	lane_put(w, buffer, 10);
}

static void put_value(struct lane_writer *w, PyObject *value, unsigned depth, size_t budget,
		      const struct limits *limits);

/* tag, n, full; returns n, for which `budget` has room in any case. */
static size_t
put_sequence_head(struct lane_writer *w, uint8_t tag, size_t full, size_t min_bytes, size_t budget,
		  const struct limits *limits)
{
	uint8_t head[SEQUENCE_HEAD];
	size_t fits = (budget - SEQUENCE_HEAD) / min_bytes, n = full;
	if (n > fits)
		n = fits;
	if (n > limits->items)
		n = limits->items;
	uint32_t n32 = (uint32_t)n;
	uint64_t full64 = full;
	head[0] = tag;
	memcpy(head + 1, &n32, 4);
	memcpy(head + 5, &full64, 8);
	lane_put(w, head, sizeof head);
	return n;
}

/* What the record has left, less what the items still to come are promised. */
static size_t
share(const struct lane_writer *w, size_t floor, size_t items_to_come)
{
	return lane_room(w) - floor - items_to_come * VALUE_MIN_BYTES;
}

static void
put_items(struct lane_writer *w, PyObject *sequence, unsigned depth, size_t budget,
	  const struct limits *limits)
{
	bool tuple = PyTuple_CheckExact(sequence);
	size_t floor = lane_room(w) - budget; /* what belongs to others */
	size_t full = (size_t)Py_SIZE(sequence);
	size_t n = put_sequence_head(w, tuple ? VALUE_TUPLE : VALUE_LIST, full, VALUE_MIN_BYTES,
				     budget, limits);
	for (size_t i = 0; i < n; i++) {
		PyObject *item = tuple ? PyTuple_GET_ITEM(sequence, (Py_ssize_t)i)
				       : PyList_GET_ITEM(sequence, (Py_ssize_t)i);
		put_value(w, item, depth + 1, share(w, floor, n - i - 1), limits);
	}
}

static void
put_dict(struct lane_writer *w, PyObject *dict, unsigned depth, size_t budget,
	 const struct limits *limits)
{
	size_t floor = lane_room(w) - budget;
	size_t n = put_sequence_head(w, VALUE_DICT, (size_t)PyDict_GET_SIZE(dict),
				     2 * VALUE_MIN_BYTES, budget, limits);
	PyObject *key, *value;
	Py_ssize_t at = 0;
	for (size_t i = 0; i < n && PyDict_Next(dict, &at, &key, &value); i++) {
		put_value(w, key, depth + 1, share(w, floor, 2 * (n - i) - 1), limits);
		put_value(w, value, depth + 1, share(w, floor, 2 * (n - i) - 2), limits);
	}
}

static void
put_contents(struct lane_writer *w, PyObject *value, unsigned depth, size_t budget,
	     const struct limits *limits)
{
	if (PyDict_CheckExact(value))
		put_dict(w, value, depth, budget, limits);
	else
		put_items(w, value, depth, budget, limits);
}

#if PY_HAS_GIL
#define put_held put_contents
#else
/* Tuples do not change. What contains itself is held already. */
static void
put_held(struct lane_writer *w, PyObject *value, unsigned depth, size_t budget,
	 const struct limits *limits)
{
	static __thread PyObject *held[VALUE_MAX_DEPTH]
		__attribute__((tls_model("initial-exec"))); /* by depth: what contains us */
	enum py_hold hold = PyTuple_CheckExact(value) ? PY_HELD_BEFORE : PY_NOT_HELD;
	for (unsigned i = 0; i < depth; i++)
		if (held[i] == value)
			hold = PY_HELD_BEFORE;
	if (hold == PY_NOT_HELD)
		hold = py_hold(value);
	if (hold == PY_NOT_HELD) {
		put_kind(w, VALUE_SHAPE, value);
		return;
	}
	held[depth] = value;
	put_contents(w, value, depth, budget, limits);
	py_release(value, hold);
}
#endif

static void
put_container(struct lane_writer *w, PyObject *value, unsigned depth, size_t budget,
	      const struct limits *limits)
{
	if (depth >= VALUE_MAX_DEPTH || budget < SEQUENCE_HEAD + 2 * VALUE_MIN_BYTES)
		put_kind(w, VALUE_SHAPE, value);
	else
		put_held(w, value, depth, budget, limits);
}

/* Writes at least one byte and at most `budget`, which is VALUE_MIN_BYTES or more. */
static void
put_value(struct lane_writer *w, PyObject *value, unsigned depth, size_t budget,
	  const struct limits *limits)
{
	if (value == NULL || value == Py_None) {
		put_tag(w, VALUE_NONE);
	} else if (PyLong_CheckExact(value)) {
		int64_t small;
		if (likely(py_long_small(value, &small)))
			put_int(w, small);
		else
			put_big(w, value, budget);
	} else if (PyUnicode_CheckExact(value)) {
		if (py_str_ready(value) && budget > TEXT_HEAD)
			put_str(w, value, budget, limits->text);
		else
			put_kind(w, VALUE_SHAPE, value);
	} else if (PyBytes_CheckExact(value)) {
		if (budget > TEXT_HEAD)
			put_bytes(w, PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value),
				  budget, limits->text);
		else
			put_kind(w, VALUE_SHAPE, value);
	} else if (PyBool_Check(value)) {
		put_tag(w, value == Py_True ? VALUE_TRUE : VALUE_FALSE);
	} else if (PyFloat_CheckExact(value)) {
		double number = PyFloat_AS_DOUBLE(value);
		put_fixed(w, VALUE_FLOAT, &number, 8);
	} else if (PyTuple_CheckExact(value) || PyList_CheckExact(value) ||
		   PyDict_CheckExact(value)) {
		put_container(w, value, depth, budget, limits);
	} else if (value == Py_Ellipsis) {
		put_tag(w, VALUE_ELLIPSIS);
	} else {
		put_type_name(w, Py_TYPE(value), budget);
	}
}

static const struct limits *
limits_of(const struct event_name *name, unsigned i)
{
	if (name == NULL || name->info == NULL || i >= name->info->n_args)
		return &usual;
	const struct event_arg *arg = &name->info->args[i];
	bool is_whole = arg->role == ROLE_PATH || arg->role == ROLE_PATH2 ||
			arg->role == ROLE_ARGV || arg->secret; /* then it was revealed */
	return is_whole ? &whole : &usual;
}

/* How many arguments of n find room, each with VALUE_MIN_BYTES at least. */
static size_t
how_many(const struct lane_writer *w, size_t n)
{
	size_t room = (lane_room(w) - sizeof(uint32_t)) / VALUE_MIN_BYTES;
	size_t limit = room < UINT8_MAX ? room : UINT8_MAX;
	return n < limit ? n : limit;
}

/* The same as put_str() of it, for most strings: short, and with much room behind them. */
static inline bool
put_short_str(struct lane_writer *w, PyObject *str)
{
	size_t n;
	if (!PyUnicode_CheckExact(str) || !PyUnicode_IS_COMPACT_ASCII(str) ||
	    (n = (size_t)PyUnicode_GET_LENGTH(str)) > UINT8_MAX || w->max - w->i < SHORT_STR_SLOTS)
		return false;
	const void *data = (PyASCIIObject *)str + 1;
	if (likely((size_t)(w->end - w->at) >= n + 2)) {
		uint8_t *at = w->at;
		at[0] = VALUE_STR8;
		at[1] = (uint8_t)n;
		memcpy(at + 2, data, n);
		w->at = at + 2 + n;
	} else {
		uint8_t head[2] = {VALUE_STR8, (uint8_t)n};
		lane_put(w, head, 2);
		lane_put(w, data, n);
	}
	return true;
}

unsigned
args_encode(struct lane_writer *w, PyObject *args, const struct event_name *name, bool *truncated)
{
	if (args == NULL || !PyTuple_CheckExact(args))
		return 0;
	size_t n = (size_t)PyTuple_GET_SIZE(args);
	uint32_t secrets = name != NULL ? load_relaxed(&name->secrets) : 0;
	if (unlikely(n > FEW_ARGS)) {
		size_t all = n;
		n = how_many(w, all);
		*truncated = n < all;
		if (n < all) {
			uint32_t full = all < UINT32_MAX ? (uint32_t)all : UINT32_MAX;
			lane_put(w, &full, sizeof full);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		PyObject *value = PyTuple_GET_ITEM(args, (Py_ssize_t)i);
		int64_t small;
		if (unlikely(i < 32 && secrets >> i & 1) && value != Py_None)
			put_kind(w, VALUE_SECRET, value);
		else if (PyLong_CheckExact(value) && likely(py_long_small(value, &small)))
			put_int(w, small);
		else if (!put_short_str(w, value))
			put_value(w, value, 0, share(w, 0, n - i - 1), limits_of(name, i));
	}
	return (unsigned)n;
}
