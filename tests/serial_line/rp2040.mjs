// An RP2040 in JavaScript: node rp2040.mjs FOLDER IMAGE, where FOLDER/node_modules has rp2040js and
// IMAGE is what its flash begins with. Its first UART is a TCP port, whose number is printed.
import fs from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";

const [folder, image] = process.argv.slice(2);
const { Simulator } = createRequire(`${folder}/`)("rp2040js");
const FLASH = 0x10000000;
const AT_ONCE = 100_000; // instructions between two looks at the line
const chip = new Simulator().rp2040;
const code = fs.readFileSync(image);
chip.flash.set(code, 0);
chip.core.VTOR = FLASH;
chip.core.SP = code.readUInt32LE(0);
chip.core.PC = code.readUInt32LE(4) & ~1;

const uart = chip.uart[0];
const arriving = [];
let leaving = [];
let line = null;
uart.onByte = (byte) => leaving.push(byte);

function run() {
    for (let i = 0; i < AT_ONCE; i++) {
        if (arriving.length > 0 && i % 16 === 0 && !uart.rxFIFO.full) uart.feedByte(arriving.shift());
        chip.step();
    }
    if (leaving.length > 0) {
        line?.write(Buffer.from(leaving));
        leaving = [];
    }
    setImmediate(run);
}

const server = net.createServer((socket) => {
    line = socket.setNoDelay(true);
    socket.on("data", (data) => arriving.push(...data));
    socket.on("close", () => process.exit());
});
server.listen(0, "127.0.0.1", () => {
    console.log(server.address().port);
    run();
});
