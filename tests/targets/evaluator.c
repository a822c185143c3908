/* SPDX-License-Identifier: MIT */
/* A tool with a frame evaluator of its own (PEP 523), which hands on to the one that it found. */
typedef void *(*evaluator)(void *thread, void *frame, int throws);

void *PyInterpreterState_Main(void);
evaluator _PyInterpreterState_GetEvalFrameFunc(void *interpreter);
void _PyInterpreterState_SetEvalFrameFunc(void *interpreter, evaluator function);

static evaluator below;
static long n_frames;

static void *
evaluate(void *thread, void *frame, int throws)
{
	n_frames++;
	return below(thread, frame, throws);
}

void
evaluator_take(void)
{
	below = _PyInterpreterState_GetEvalFrameFunc(PyInterpreterState_Main());
	_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Main(), evaluate);
}

void
evaluator_give_back(void)
{
	_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Main(), below);
}

/* Frames so far. */
long
evaluator_count(void)
{
	return n_frames;
}
