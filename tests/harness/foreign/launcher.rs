// Rust's std::process as launcher: launcher HOW COMMAND [ARG ...]
//
// HOW: plain; group (a process group of its own); thread (started from a thread that has ended, as the idle ones of a
// pool of Tokio's do). Says `started PID` on descriptor 5 (after `thread-gone`, which is a thread's), and obeys the lines
// of its input:
//
//     group N        signal N to the child's process group; `done`
//     kill           Child::kill, which is SIGKILL; `ended` when the child has
//     exec, exec-thread    it executes a program that says `replaced` in its own place, from its main or from
//                          another thread
//     exit, panic, abort   its own end
//
// Without crates, and for the Rust of Debian 12 (1.63).

use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::os::unix::io::FromRawFd;
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, Stdio};
use std::thread;

extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
    fn setpgid(pid: i32, group: i32) -> i32;
}

fn start(how: &str, command: &[String]) -> Child {
    let mut made = Command::new(&command[0]);
    made.args(&command[1..]).stdin(Stdio::null());
    if how == "group" {
        // SAFETY: setpgid(2) is async-signal-safe.
        unsafe {
            made.pre_exec(|| {
                setpgid(0, 0);
                Ok(())
            });
        }
    }
    made.spawn().unwrap()
}

// Standard input is still the pipe, so this ends with it.
fn become_another() {
    panic!("{}", Command::new("sh").args(["-c", "echo replaced >&5; exec cat"]).exec());
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let (how, command) = (words[1].clone(), words[2..].to_vec());
    // SAFETY: descriptor 5 is ours to write to.
    let mut says = unsafe { File::from_raw_fd(5) };
    let mut child = if how == "thread" {
        let child = thread::spawn(move || start(&how, &command)).join().unwrap();
        while fs::read_dir("/proc/self/task").unwrap().count() > 1 {
            thread::yield_now(); // joined is a moment before gone
        }
        writeln!(says, "thread-gone").unwrap();
        child
    } else {
        start(&how, &command)
    };
    writeln!(says, "started {}", child.id()).unwrap();
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let (word, number) = line.split_once(' ').unwrap_or((&line, "0"));
        match word {
            // SAFETY: kill(2) touches no memory.
            "group" => {
                unsafe { kill(-(child.id() as i32), number.parse().unwrap()) };
                writeln!(says, "done").unwrap();
            }
            "kill" => {
                child.kill().unwrap();
                child.wait().unwrap();
                writeln!(says, "ended").unwrap();
            }
            "exec" => become_another(),
            "exec-thread" => thread::spawn(become_another).join().unwrap(),
            "exit" => process::exit(0),
            "abort" => process::abort(),
            _ => panic!("as asked"),
        }
    }
}
