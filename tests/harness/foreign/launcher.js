// Node's child_process as launcher: node launcher.js HOW COMMAND [ARG ...]
//
// HOW: plain; detached (a session of its own); shell (COMMAND is one line of shell); worker (started from a thread of
// worker_threads that has ended). Says `started PID` on descriptor 5 (after `thread-gone`, which is a worker's), and
// obeys the lines of its input:
//
// kill             child.kill(), which sends SIGTERM; `ended STATUS` when the child has
// group            SIGTERM to the child's group
// exit, throw      its own end
"use strict";

const fs = require("fs");
const { spawn } = require("child_process");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

const SAYS = 5;
const TREE = 9;

function say(...words) {
  fs.writeSync(SAYS, words.join(" ") + "\n");
}

function start(how, command) {
  const stdio = new Array(TREE + 1).fill("ignore"); // nothing that we hold, but these
  for (const descriptor of [1, 2, TREE]) stdio[descriptor] = descriptor;
  const options = { stdio, detached: how === "detached", shell: how === "shell" };
  return how === "shell" ? spawn(command[0], options) : spawn(command[0], command.slice(1), options);
}

function obey(child) {
  const lines = require("readline").createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    if (line === "kill") child.kill();
    if (line === "group") process.kill(-child.pid, "SIGTERM");
    if (line === "exit") process.exit(0);
    if (line === "throw") throw new Error("as asked");
  });
}

// readlink of /proc/thread-self is made by the calling thread, and gives PID/task/TID.
function startInWorker(command) {
  const worker = new Worker(__filename, { workerData: command });
  worker.once("message", ({ pid, thread }) => {
    worker.once("exit", function look() {
      if (fs.existsSync(`/proc/${thread}`)) return setTimeout(look, 1); // told a moment before the kernel knows it
      say("thread-gone");
      say("started", pid);
      obey({ pid, kill: () => process.kill(pid) });
    });
  });
}

if (!isMainThread) {
  const child = start("plain", workerData);
  child.unref();
  parentPort.postMessage({ pid: child.pid, thread: fs.readlinkSync("/proc/thread-self") });
} else if (process.argv[2] === "worker") {
  startInWorker(process.argv.slice(3));
} else {
  const child = start(process.argv[2], process.argv.slice(3));
  say("started", child.pid);
  child.on("exit", (code, signal) => say("ended", code === null ? signal : code));
  obey(child);
}
