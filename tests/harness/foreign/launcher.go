// What LocalAI's process manager (mudler/go-processmanager) does to a backend, in one file of the standard library.
//
//	launcher [-locked] [-teardown] [-grace DURATION] [-threads N] FOLDER ADDRESS STATE
//
// Starts the file run.sh of FOLDER by its bare name, `run.sh --addr ADDRESS`: plain fork and exec, a process group of
// its own, descriptor 0 closed, output to the files stdout and stderr in STATE. It is a child subreaper, and reaps
// whatever it gets, ten times a second. Says `started PID` on descriptor 5, then obeys the lines of its input:
//
//	stop         SIGTERM to the group, a look ten times a second until the leader is gone, after -grace SIGKILL to the
//	             group; `stopped`, or `killed`. In the background, so that it goes on obeying
//	start        the next one, at the same address
//	exit, panic  its own end
//
// With -locked the goroutine that starts the backend is locked to its thread, which is not the main one, and returns
// locked: Go ends such a thread. It says `thread-gone` when the kernel knows it no more. With -teardown it stops the
// backend on SIGTERM, and exits; else SIGTERM is what it is by default.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	saysDescriptor      = 5
	prSetChildSubreaper = 36
	look                = 100 * time.Millisecond
)

var (
	locked   = flag.Bool("locked", false, "start from a thread that ends")
	teardown = flag.Bool("teardown", false, "stop the backend on SIGTERM")
	grace    = flag.Duration("grace", 15*time.Second, "from SIGTERM to SIGKILL")
	threads  = flag.Int("threads", 4, "threads that wait in the kernel")
	says     = os.NewFile(saysDescriptor, "says")
)

// The main goroutine keeps the main thread to itself: that one does not end with a goroutine.
func init() {
	runtime.LockOSThread()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func say(words ...interface{}) {
	_, err := fmt.Fprintln(says, words...)
	must(err)
}

func log(state, name string) *os.File {
	file, err := os.OpenFile(filepath.Join(state, name), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o660)
	must(err)
	return file
}

// begin forks and executes run.sh, in a thread of the runtime's choice that is not the main one.
func begin(folder, address, state string) *os.Process {
	type result struct {
		process *os.Process
		thread  int
	}
	results := make(chan result)
	go func() {
		if *locked {
			runtime.LockOSThread()
		}
		process, err := os.StartProcess("run.sh", []string{"run.sh", "--addr", address}, &os.ProcAttr{
			Dir:   folder,
			Env:   os.Environ(),
			Files: []*os.File{nil, log(state, "stdout"), log(state, "stderr")},
			Sys:   &syscall.SysProcAttr{Setpgid: true},
		})
		must(err)
		results <- result{process, syscall.Gettid()}
	}()
	got := <-results
	if *locked {
		for exists(fmt.Sprintf("/proc/self/task/%d", got.thread)) {
			time.Sleep(time.Millisecond)
		}
		say("thread-gone")
	}
	return got.process
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// reap waits for whatever falls to us, as a subreaper must, and takes no interest in it.
func reap() {
	for {
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != nil || pid <= 0 {
			time.Sleep(look)
		}
	}
}

// stop asks the group, and kills it if its leader is still there after the grace.
func stop(pid int) {
	if err := syscall.Kill(-pid, syscall.SIGTERM); err != nil {
		say("not-stopped", err)
		return
	}
	for deadline := time.Now().Add(*grace); time.Now().Before(deadline); time.Sleep(look) {
		if syscall.Kill(pid, 0) != nil {
			say("stopped")
			return
		}
	}
	must(syscall.Kill(-pid, syscall.SIGKILL))
	say("killed")
}

// occupy keeps threads of the runtime in system calls that do not return.
func occupy(count int) {
	for ; count > 0; count-- {
		var ends [2]int
		must(syscall.Pipe(ends[:]))
		syscall.CloseOnExec(ends[0])
		syscall.CloseOnExec(ends[1])
		go func() { _, _ = syscall.Read(ends[0], make([]byte, 1)) }()
	}
}

func main() {
	flag.Parse()
	folder, address, state := flag.Arg(0), flag.Arg(1), flag.Arg(2)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0)
	if errno != 0 {
		panic(errno)
	}
	occupy(*threads)
	process := begin(folder, address, state)
	say("started", process.Pid)
	go reap()
	if *teardown {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		go func() {
			<-asked
			stop(process.Pid)
			os.Exit(0)
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "stop":
			go stop(process.Pid)
		case "start":
			process = begin(folder, address, state)
			say("started", process.Pid)
		case "exit":
			os.Exit(0)
		case "panic":
			go func() { panic("as asked") }()
		}
	}
}
