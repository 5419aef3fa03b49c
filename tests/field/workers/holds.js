// Loaded into a server: something is open, as a connection or a timer would be, so that it outlives its input.
"use strict";

setInterval(() => {}, 600000);
