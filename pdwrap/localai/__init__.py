"""Puts pdwrap in front of LocalAI's backends: `pdwrap-localai PATH...`.

Nothing here runs when a backend is started: what is left behind is a shell script of two commands.

| module        | what it does                                                   |
|---------------|----------------------------------------------------------------|
| `command`     | what a person types and reads                                  |
| `wrap`        | the state of one backend; wraps it, and restores it            |
| `upgrades`    | remembers what was wrapped, so that an upgrade is noticed      |
| `backends`    | which backends a path means, by LocalAI's own rules            |
| `own_command` | the command line that starts this pdwrap from anywhere         |
| `disk`        | the system calls: written aside, flushed, renamed              |
| `script`      | the text of the wrapper; pure                                  |
| `errors`      | what keeps a backend from being wrapped, in a person's words   |
"""
