/* Two modules that are built in: `_pdwrap`, the system calls that the standard library lacks, and what main.c took note
 * of; `resource`, of which Debian's static library has none, as far as pdwrap and psutil need it.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <structmember.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "one_file.h"

static const int WRITERS[] = {SIGPIPE, SIGXFSZ}; /* raised by writing; CPython ignores both (Python/pylifecycle.c) */
static int was_ignored[sizeof WRITERS / sizeof *WRITERS];

void
keep_dispositions(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    for (size_t n = 0; n < sizeof WRITERS / sizeof *WRITERS; n++) {
        was_ignored[n] = sigaction(WRITERS[n], &ignore, &before) == 0 && before.sa_handler == SIG_IGN;
    }
}

static PyObject *
checked(long result)
{
    return result < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(result);
}

static PyObject *
call_prctl(PyObject *self, PyObject *arguments)
{
    int option;
    unsigned long value;
    if (!PyArg_ParseTuple(arguments, "ik", &option, &value)) {
        return NULL;
    }
    return checked(prctl(option, value, 0UL, 0UL, 0UL));
}

/* syscall(2): integers, and None for a null pointer. */
static PyObject *
call_kernel(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long words[7] = {0};
    if (count < 1 || count > 7) {
        PyErr_SetString(PyExc_TypeError, "a number and at most six arguments");
        return NULL;
    }
    for (Py_ssize_t n = 0; n < count; n++) {
        words[n] = arguments[n] == Py_None ? 0 : PyLong_AsLong(arguments[n]);
        if (words[n] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    return checked(syscall(words[0], words[1], words[2], words[3], words[4], words[5], words[6]));
}

static PyObject *
call_fcntl(PyObject *self, PyObject *arguments)
{
    int descriptor, command;
    long argument;
    if (!PyArg_ParseTuple(arguments, "iil", &descriptor, &command, &argument)) {
        return NULL;
    }
    return checked(fcntl(descriptor, command, argument));
}

static PyObject *
watch_start(PyObject *self, PyObject *arguments)
{
    int flags;
    return PyArg_ParseTuple(arguments, "i", &flags) ? checked(inotify_init1(flags)) : NULL;
}

static PyObject *
watch_add(PyObject *self, PyObject *arguments)
{
    int descriptor;
    const char *place;
    unsigned int mask;
    if (!PyArg_ParseTuple(arguments, "iyI", &descriptor, &place, &mask)) {
        return NULL;
    }
    return checked(inotify_add_watch(descriptor, place, mask));
}

static PyMethodDef CALLS[] = {
    {"prctl", call_prctl, METH_VARARGS, NULL},
    {"syscall", (PyCFunction)(void (*)(void))call_kernel, METH_FASTCALL, NULL},
    {"fcntl", call_fcntl, METH_VARARGS, NULL},
    {"inotify_init1", watch_start, METH_VARARGS, NULL},
    {"inotify_add_watch", watch_add, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef ONE_FILE = {PyModuleDef_HEAD_INIT, .m_name = "_pdwrap", .m_size = -1, .m_methods = CALLS};

/* `ignored`: which of WRITERS the launcher had ignored. */
PyObject *
PyInit__pdwrap(void)
{
    PyObject *module = PyModule_Create(&ONE_FILE);
    PyObject *ignored = PyList_New(0);
    for (size_t n = 0; module && ignored && n < sizeof WRITERS / sizeof *WRITERS; n++) {
        PyObject *number = PyLong_FromLong(WRITERS[n]);
        if (number == NULL || (was_ignored[n] && PyList_Append(ignored, number))) {
            return NULL;
        }
        Py_DECREF(number);
    }
    PyObject *tuple = module && ignored ? PyList_AsTuple(ignored) : NULL;
    Py_XDECREF(ignored);
    return tuple == NULL || PyModule_AddObject(module, "ignored", tuple) ? NULL : module;
}

static PyObject *
limit_of(PyObject *self, PyObject *arguments)
{
    int what;
    struct rlimit limit;
    if (!PyArg_ParseTuple(arguments, "i", &what)) {
        return NULL;
    }
    if (getrlimit(what, &limit)) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(LL)", (long long)limit.rlim_cur, (long long)limit.rlim_max);
}

static PyObject *
set_limit(PyObject *self, PyObject *arguments)
{
    int what;
    long long soft, hard;
    if (!PyArg_ParseTuple(arguments, "i(LL)", &what, &soft, &hard)) {
        return NULL;
    }
    struct rlimit limit = {(rlim_t)soft, (rlim_t)hard};
    if (setrlimit(what, &limit)) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef LIMITS[] = {
    {"getrlimit", limit_of, METH_VARARGS, NULL},
    {"setrlimit", set_limit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef RESOURCE = {PyModuleDef_HEAD_INIT, .m_name = "resource", .m_size = -1, .m_methods = LIMITS};

PyObject *
PyInit_resource(void)
{
    PyObject *module = PyModule_Create(&RESOURCE);
    if (module == NULL || PyModule_AddIntMacro(module, RLIMIT_NOFILE) || PyModule_AddIntMacro(module, RLIMIT_NPROC) ||
        PyModule_AddIntMacro(module, RLIMIT_CORE) || PyModule_AddIntMacro(module, RLIMIT_FSIZE) ||
        PyModule_AddIntConstant(module, "RLIM_INFINITY", -1)) {
        return NULL;
    }
    return module;
}
