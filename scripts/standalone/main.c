/* Where the one file begins: Python, made ready without a look at the system, then pdwrap.entry.main.
 *
 * Nothing of the environment, of the file system or of the locale takes part, no file is written, nothing is forked.
 * Whoever dies here has started nothing yet.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "one_file.h"

#define OWN_FAILURE 125 /* pdwrap/exit_status.py */
#define LOCALAI "pdwrap-localai"
/* A place that is no folder, and cannot become one: what Python would look for below its prefix is never there. */
#define NOWHERE "/dev/null"

/* Python evaluates a program (Modules/getpath.py) to find its library; here the linker puts this in its place
 * (--wrap). All that it would set is set in `configured`. */
PyStatus __wrap__PyConfig_InitPathConfig(PyConfig *config, int compute_path_config);
PyStatus
__wrap__PyConfig_InitPathConfig(PyConfig *config, int compute_path_config)
{
    (void)config;
    (void)compute_path_config;
    return PyStatus_Ok();
}

static void
give_up(const char *why)
{
    char line[256];
    int length = snprintf(line, sizeof line, "pdwrap: cannot start (%s): nothing was started\n", why ? why : "Python");
    if (write(2, line, (size_t)length) < 0) {
        /* nobody reads it */
    }
    _exit(OWN_FAILURE);
}

static void
must(PyStatus status)
{
    if (PyStatus_Exception(status)) {
        give_up(status.err_msg);
    }
}

/* The path that the file was called by, made absolute, and not followed: what it leads to may be replaced. */
static const char *
called_by(void)
{
    static char path[PATH_MAX * 2];
    const char *given = (const char *)getauxval(AT_EXECFN);
    if (given == NULL || given[0] == '/' || getcwd(path, PATH_MAX) == NULL || path[0] != '/') {
        return given == NULL ? "" : given;
    }
    while (given[0] == '.' && given[1] == '/') {
        given += 2 + strspn(given + 2, "/");
    }
    size_t length = strlen(path);
    if (length + 1 + strlen(given) >= sizeof path) {
        return "";
    }
    if (path[length - 1] != '/') {
        path[length++] = '/';
    }
    strcpy(path + length, given);
    return path;
}

static void
configured(char *argv0)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* else ASCII: arguments are any bytes, and 2µs is a duration */
    must(Py_PreInitialize(&before));

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.install_signal_handlers = 0;
    config.parse_argv = 0;
    config.pathconfig_warnings = 0;
    config.module_search_paths_set = 1; /* and none in it */
    config.code_debug_ranges = 0;
    /* No random numbers: an early boot and an empty chroot may have none, and a start need not wait for them. */
    config.use_hash_seed = 1;
    config.hash_seed = 0;
    must(PyConfig_SetBytesString(&config, &config.executable, called_by()));
    must(PyConfig_SetString(&config, &config.base_executable, config.executable));
    must(PyConfig_SetBytesString(&config, &config.program_name, argv0));
    wchar_t **places[] = {&config.prefix, &config.base_prefix, &config.exec_prefix, &config.base_exec_prefix};
    for (size_t n = 0; n < sizeof places / sizeof *places; n++) {
        must(PyConfig_SetString(&config, places[n], L"" NOWHERE));
    }
    must(PyConfig_SetString(&config, &config.platlibdir, L"lib"));
    must(Py_InitializeFromConfig(&config));
    PyConfig_Clear(&config);
}

/* `import _signal` catches SIGINT: blocked until that has been undone, so Ctrl-C during the start ends us, without a
 * word. Where the launcher had it ignored it stays so. */
static int
ready_for_signals(const sigset_t *mask)
{
    PyObject *module = PyImport_ImportModule("_signal");
    if (module == NULL) {
        return -1;
    }
    struct sigaction now;
    PyObject *done = Py_None;
    if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
        done = PyObject_CallMethod(module, "signal", "ii", SIGINT, 0 /* SIG_DFL */);
    }
    Py_DECREF(module);
    if (done == NULL) {
        return -1;
    }
    return sigprocmask(SIG_SETMASK, mask, NULL);
}

/* The words behind the program's name, as sys.argv would hold them. */
static PyObject *
words(int argc, char **argv)
{
    PyObject *list = PyList_New(0);
    const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
    name = name ? name + 1 : argc > 0 ? argv[0] : "";
    int by_name = strcmp(name, LOCALAI) == 0;
    for (int n = by_name ? 0 : 1; list != NULL && n < argc; n++) {
        PyObject *word = n == 0 ? PyUnicode_FromString("localai") : PyUnicode_DecodeFSDefault(argv[n]);
        if (word == NULL || PyList_Append(list, word)) {
            return NULL;
        }
        Py_DECREF(word);
    }
    return list;
}

int
main(int argc, char **argv)
{
    sigset_t interrupt, mask;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &mask);
    keep_dispositions();

    PyImport_FrozenModules = one_file_frozen;
    configured(argc > 0 ? argv[0] : "pdwrap");
    PyObject *module = NULL, *arguments = NULL, *result = NULL;
    if (ready_for_signals(&mask) == 0 && (arguments = words(argc, argv)) != NULL &&
        (module = PyImport_ImportModule("_pdwrap_start")) != NULL &&
        (module = PyImport_ImportModule("pdwrap.entry")) != NULL) {
        result = PyObject_CallMethod(module, "main", "O", arguments);
    }
    if (result == NULL && PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Print(); /* ends with its status, the buffers written */
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    give_up(type ? ((PyTypeObject *)type)->tp_name : NULL);
}
