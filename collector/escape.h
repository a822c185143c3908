/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a JSON string of valid UTF-8. Text that is what it seems passes as it is, with
 * JSON's own escapes; also DEL and the C1 controls are escaped, so that the line is harmless
 * on a terminal. Text with a NUL, bad UTF-8 or a lone surrogate is percent-encoded: %XX for
 * each such byte, %25 for each %.
 */
#ifndef COLLECTOR_ESCAPE_H
#define COLLECTOR_ESCAPE_H

#include "line.h"

/* Append `"text"`, quotes included; true: it was percent-encoded. */
bool escape_json(struct line *out, const uint8_t *text, size_t n);

/* The same without quotes; for the parts of a string, which all must be encoded alike. */
bool escape_json_bare(struct line *out, const uint8_t *text, size_t n);

/* Bytes that were no str of Python: what looks like a surrogate there is three bad bytes. */
bool escape_json_raw(struct line *out, const uint8_t *bytes, size_t n);

/* Length of the UTF-8 sequence at text (1 to 4), 0 when there is no valid one. A surrogate is
 * not valid. n > 0. */
unsigned utf8_length(const uint8_t *text, size_t n);

/* A surrogate, encoded like any other code point: its value, or 0. */
unsigned utf8_surrogate(const uint8_t *text, size_t n);

#endif
