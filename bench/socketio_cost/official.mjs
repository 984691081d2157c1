// The official server, doing what `server.cpp` does.   node official.mjs PORT
import { Server } from "socket.io";

const kAckTimeoutMs = 30_000;
const io = new Server({ pingInterval: 600_000, pingTimeout: 600_000 });
const counts = { eventsIn: 0, bytesIn: 0, answersIn: 0 };

io.on("connection", (socket) => {
  socket.on("in", (text) => {
    counts.eventsIn += 1;
    counts.bytesIn += text.length;
  });
  socket.on("me", (text) => socket.emit("news", text));
  socket.on("all", (text, times, reply) => {
    for (let i = 0; i < times; ++i) io.emit("news", text);
    reply();
  });
  socket.on("ask", (text, reply) => reply(text));
  socket.on("ask me", (text) => {
    socket.timeout(kAckTimeoutMs).emit("question", text, (error, answer) => {
      if (!error && typeof answer === "string") counts.answersIn += 1;
    });
  });
  socket.on("ask all", (text, reply) => {
    io.timeout(kAckTimeoutMs).emit("question", text, (error, answers) => reply(answers.length));
  });
  socket.on("sync", (reply) => reply());
  socket.on("counts", (reply) => reply(counts.eventsIn, counts.bytesIn, counts.answersIn));
});

io.listen(Number(process.argv[2] ?? 3000));
io.httpServer.on("listening", () => console.log("ready"));
