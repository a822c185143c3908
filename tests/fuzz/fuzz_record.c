/* SPDX-License-Identifier: MIT */
/*
 * One record: its type, what its w2 says, and its payload. A byte type, u64 w2, then the payload,
 * which is put into as many slots as it needs.
 */
#include "decode.h"
#include "lane.h"
#include "fuzz.h"

static struct slot slots[RECORD_MAX_SLOTS];

static unsigned
fill(const uint8_t *payload, size_t n)
{
	size_t first = n < SLOT0_PAYLOAD ? n : SLOT0_PAYLOAD, rest = n - first;
	unsigned k = 1 + (unsigned)((rest + SLOTN_PAYLOAD - 1) / SLOTN_PAYLOAD);
	memset(slots, 0, k * sizeof *slots);
	memcpy(&slots[0].w[3], payload, first);
	for (unsigned i = 1; i < k; i++) {
		size_t part = rest < SLOTN_PAYLOAD ? rest : SLOTN_PAYLOAD;
		memcpy(&slots[i].w[1], payload + n - rest, part);
		rest -= part;
	}
	return k;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct input input = {bytes, bytes + n};
	show_begin();
	unsigned type = (unsigned)input_number(&input, 1) & 7;
	uint64_t w2 = input_number(&input, 8);
	size_t left = SLOT0_PAYLOAD + (RECORD_MAX_SLOTS - 1) * SLOTN_PAYLOAD;
	const uint8_t *payload = input_take(&input, &left);
	unsigned k = fill(payload, left);
	slots[0].w[2] = w2;
	for (unsigned i = 0; i < k; i++)
		slots[i].w[0] = record_w0(i == 0, i == 0 ? k : i, type, 5);
	NEED(record_check(slots, k) == (int)k);
	struct event event = {.time_ns = 1700000000000000000u, .seq = 5};
	if (type == RECORD_CALLS) {
		for (unsigned i = 3; i < 8; i++)
			if (slots[0].w[i] != 0 &&
			    decode_call(slots[0].w[i], show_symbols(), &event))
				show_event(&event);
	} else if (decode_record(slots, show_symbols(), &event)) {
		show_event(&event);
	}
	return 0;
}
