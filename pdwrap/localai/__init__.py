"""Puts pdwrap in front of LocalAI's backends: `pdwrap-localai PATH...`.

Nothing here runs when a backend is started: what is left behind is a shell script of two commands.

| module        | what it does                                                     |
|---------------|------------------------------------------------------------------|
| `command`     | what a person types and reads                                    |
| `follow`      | stays, and wraps what is installed or upgraded                   |
| `treat`       | goes through the backends of a folder, with a line for each      |
| `wrap`        | wraps one backend, restores it, tells whether it is wrapped      |
| `state`       | the state of one backend, by descriptors                         |
| `upgrades`    | remembers what was wrapped, and how, beyond an upgrade           |
| `backends`    | which backends a path means, by LocalAI's own rules              |
| `way`         | the way to a folder, and who else can lead it elsewhere          |
| `options`     | pdwrap's options, checked before they are written                |
| `own_command` | the command line that starts this pdwrap from anywhere           |
| `inotify`     | what the kernel tells of a folder                                |
| `disk`        | the system calls on a folder: written aside, flushed, renamed    |
| `files`       | one file: read up to a limit, copied, made like another          |
| `owner`       | who may change what; working as a folder's owner                 |
| `script`      | the text of the wrapper; pure                                    |
| `errors`      | what keeps a backend from being wrapped, in a person's words     |
"""
