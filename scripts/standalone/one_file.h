/* What the parts of the one file have from each other. */

#include <Python.h>

extern const struct _frozen one_file_frozen[]; /* made by scripts/build-standalone */

/* built_in.c: take note of what the launcher had ignored, then ignore it as CPython does. */
void keep_dispositions(void);
PyObject *PyInit__pdwrap(void);
PyObject *PyInit_resource(void);
