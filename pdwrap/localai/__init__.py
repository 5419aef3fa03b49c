"""Puts pdwrap in front of LocalAI's backends: `pdwrap-localai PATH...`.

Nothing here runs when a backend is started: what is left behind is a shell script of two commands.

| module    | what it does                                                       |
|-----------|--------------------------------------------------------------------|
| `command` | what a person types and reads                                      |
| `find`    | which backends a path means, by LocalAI's own rules                |
| `wrap`    | the state of one backend; wraps it, and restores it                |
| `record`  | remembers what was wrapped, so that an upgrade is noticed          |
| `locate`  | the command line that starts this pdwrap from anywhere             |
| `disk`    | the system calls: written aside, flushed, renamed                  |
| `script`  | the text of the wrapper; pure                                      |
"""
