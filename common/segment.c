/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "clock.h"

static uint64_t
pages(uint64_t bytes)
{
	return (bytes + SEGMENT_PAGE - 1) / SEGMENT_PAGE * SEGMENT_PAGE;
}

struct segment_layout
segment_layout(const struct segment_header *header)
{
	struct segment_layout at;
	at.control = SEGMENT_PAGE;
	at.levels = at.control + SEGMENT_PAGE;
	at.defs = at.levels + pages(header->n_ids);
	at.lanes = at.defs + pages(header->defs_bytes);
	at.counters = SEGMENT_PAGE; /* lane_shared has a page of its own */
	at.slots = at.counters + pages((uint64_t)header->n_ids * 8);
	at.lane0_bytes = at.slots + (uint64_t)header->lane0_slots * SLOT_BYTES;
	at.other_bytes = at.slots + (uint64_t)header->other_slots * SLOT_BYTES;
	at.mapped_bytes = at.lanes + at.lane0_bytes;
	at.total_bytes = at.mapped_bytes + (uint64_t)(header->n_lanes - 1) * at.other_bytes;
	at.call_tables = at.total_bytes;
	at.n_call_tables = header->call_tables;
	at.call_table_bytes = pages((uint64_t)header->n_ids * sizeof(struct call_stats));
	at.total_bytes += at.n_call_tables * at.call_table_bytes;
	return at;
}

uint64_t
segment_lane_offset(const struct segment_layout *layout, uint32_t lane)
{
	if (lane == 0)
		return layout->lanes;
	return layout->mapped_bytes + (uint64_t)(lane - 1) * layout->other_bytes;
}

static bool
ring_size_ok(uint32_t n_slots, uint64_t most_bytes)
{
	uint64_t bytes = (uint64_t)n_slots * SLOT_BYTES;
	return n_slots >= 64 && (n_slots & (n_slots - 1)) == 0 && bytes <= most_bytes &&
	       bytes % SEGMENT_PAGE == 0;
}

int
segment_check(const struct segment_header *header, uint64_t object_bytes, char *why,
	      size_t why_bytes)
{
	if (object_bytes < SEGMENT_PAGE || header->ready == 0) {
		snprintf(why, why_bytes, "its process is still setting it up");
		return SEGMENT_NOT_READY;
	}
	if (header->magic != SEGMENT_MAGIC) {
		snprintf(why, why_bytes, "this is no segment of pyauditd");
		return -EBADMSG;
	}
	if (header->abi_oldest > SEGMENT_ABI_MAJOR || header->abi_major < SEGMENT_ABI_OLDEST) {
		snprintf(why, why_bytes, "the segment has ABI %u, this build reads %u: use a hook "
			 "and a collector of one version", header->abi_major, SEGMENT_ABI_MAJOR);
		return -EPROTO;
	}
	const char *broken = NULL;
	if (header->page_bytes != SEGMENT_PAGE || header->header_bytes > SEGMENT_PAGE)
		broken = "page size";
	else if (header->n_ids < 4096 || header->n_ids > 1u << 20)
		broken = "number of ids";
	else if (header->n_lanes < 1 || header->n_lanes > 1024)
		broken = "number of lanes";
	else if (header->call_tables < 1 || header->call_tables > header->n_lanes + 1)
		broken = "number of tables";
	else if (header->defs_bytes < SEGMENT_PAGE || header->defs_bytes > 64u << 20)
		broken = "size of the definitions";
	else if (!ring_size_ok(header->lane0_slots, SEGMENT_MAX_RING) ||
		 !ring_size_ok(header->other_slots, SEGMENT_MAX_OTHER_RING))
		broken = "ring size";
	else if (header->mode > LANE_BLOCK)
		broken = "mode";
	else if (header->clock_kind < CLOCK_KIND_MONOTONIC ||
		 header->clock_kind > CLOCK_KIND_CNTVCT)
		broken = "clock";
	else if (segment_layout(header).total_bytes != object_bytes)
		broken = "size of the object";
	if (broken != NULL) {
		snprintf(why, why_bytes, "the segment's header is damaged: %s", broken);
		return -EBADMSG;
	}
	return 0;
}

void
segment_name(char name[SEGMENT_NAME_BYTES], uint32_t uid, uint32_t pid, uint32_t nonce)
{
	snprintf(name, SEGMENT_NAME_BYTES, "/" SEGMENT_PREFIX "%" PRIu32 ".%" PRIu32 ".%08" PRIx32,
		 uid, pid, nonce);
}

int
segment_name_parse(const char *name, uint32_t *uid, uint32_t *pid, uint32_t *nonce)
{
	char again[SEGMENT_NAME_BYTES];
	if (name[0] == '/')
		name++;
	if (sscanf(name, SEGMENT_PREFIX "%" SCNu32 ".%" SCNu32 ".%" SCNx32, uid, pid, nonce) != 3)
		return -EINVAL;
	/* One spelling only: no sign, no leading zero, nothing behind it. */
	segment_name(again, *uid, *pid, *nonce);
	return strcmp(again + 1, name) == 0 ? 0 : -EINVAL;
}

const char *
coverage_name(unsigned coverage)
{
	switch (coverage) {
#define X(name, value, text) \
	case value: \
		return text;
		COVERAGES(X)
#undef X
	}
	return "none";
}

const char *
lost_reason_name(unsigned reason)
{
	switch (reason) {
#define X(name, value, text) \
	case value: \
		return text;
		LOST_REASONS(X)
#undef X
	}
	return "unknown";
}
