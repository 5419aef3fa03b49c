// Java's ProcessBuilder as launcher: java Launcher.java HOW COMMAND [ARG ...]
//
// HOW: plain; thread (started from a thread that has ended). Says `started PID` on descriptor 5 (after `thread-gone`,
// which is a thread's), and obeys the lines of its input:
//
//     destroy, kill    Process.destroy(), which sends SIGTERM, destroyForcibly(); `ended STATUS` when the child has
//     exit, halt       its own end: with its shutdown hooks, without
//     throw            by an exception that nobody catches
//
// The child has descriptors 0, 1 and 2 alone: its helper (jspawnhelper) closes the others.

import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

class Launcher {
    static Process child;
    static Path task;

    static void say(String line) throws IOException {
        try (OutputStream says = new FileOutputStream("/proc/self/fd/5")) {
            says.write((line + "\n").getBytes());
        }
    }

    // The link is read by the calling thread, and gives PID/task/TID.
    static void start(List<String> command) {
        try {
            task = Path.of("/proc").resolve(Files.readSymbolicLink(Path.of("/proc/thread-self")));
            child = new ProcessBuilder(command)
                .redirectInput(new java.io.File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        } catch (IOException error) {
            throw new RuntimeException(error);
        }
    }

    public static void main(String[] words) throws Exception {
        List<String> command = Arrays.asList(words).subList(1, words.length);
        if (words[0].equals("thread")) {
            Thread thread = new Thread(() -> start(command));
            thread.start();
            thread.join();
            while (Files.exists(task, LinkOption.NOFOLLOW_LINKS)) Thread.onSpinWait(); // joined is before gone
            say("thread-gone");
        } else {
            start(command);
        }
        say("started " + child.pid());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null;) {
            switch (line) {
                case "destroy" -> child.destroy();
                case "kill" -> child.destroyForcibly();
                case "exit" -> System.exit(0);
                case "halt" -> Runtime.getRuntime().halt(0);
                default -> throw new RuntimeException("as asked");
            }
            say("ended " + child.waitFor());
        }
    }
}
