// Loaded by node before the program, where the shim is (node.c).
'use strict';
const { env } = process;
const { readlinkSync } = require('fs');
const { isMainThread } = require('worker_threads');
const drawn = { randomUUID: 128, randomInt: 1024 }; // how many one filling is for (lib/internal/crypto/random.js)
delete require.cache[__filename];

// Only getenv(3) of the shim knows it, and for a worker, whose environment may be a copy, its readlink(3).
function countStarts() {
	return isMainThread ? env.SNAP_SHIM_STARTS : readlinkSync('/snap/starts');
}

function replace(object, name, refresh) {
	const descriptor = object && Object.getOwnPropertyDescriptor(object, name);
	if (!descriptor || typeof descriptor.value !== 'function')
		return;
	const original = descriptor.value;
	const { [name]: value } = {
		[name](...words) {
			refresh();
			return Reflect.apply(original, this, words);
		},
	};
	Object.defineProperty(value, 'length', { value: original.length, configurable: true });
	Object.defineProperty(object, name, { ...descriptor, value });
}

// crypto.randomUUID() and randomInt() draw bytes ahead, which every start of an image would use again. After a
// start, what is left of them is used up first.
try {
	const crypto = require('crypto');
	const { randomUUID, randomInt } = crypto;
	let seen = countStarts();

	const refresh = () => {
		const now = countStarts();
		if (now === seen)
			return;
		seen = now;
		for (let i = 0; randomUUID && i < drawn.randomUUID; i++)
			randomUUID();
		for (let i = 0; randomInt && i < drawn.randomInt; i++)
			randomInt(2);
	};
	replace(crypto, 'randomUUID', refresh);
	replace(crypto, 'randomInt', refresh);
	replace(crypto.webcrypto && Object.getPrototypeOf(crypto.webcrypto), 'randomUUID', refresh);
	require('module').syncBuiltinESMExports?.();
} catch {
	// A node without crypto draws nothing ahead.
}

// The REPL keeps its history in memory and writes all of it at each line. So at the first line after a start it takes
// what is in the file by then; the file may be another one (READ_AGAIN in tracer/capture/identify.c).
function followHistory(server, name) {
	const path = name?.trim() || require('path').join(require('os').homedir(), '.node_repl_history');
	let seen = env.SNAP_SHIM_STARTS;

	server.prependListener('line', (line) => {
		const now = env.SNAP_SHIM_STARTS;
		if (now === seen)
			return;
		seen = now;
		try {
			const lines = require('fs').readFileSync(path, 'utf8').split(/[\r\n]+/).filter((text) => text && text !== line);
			if (line)
				lines.unshift(line);
			server.history.splice(0, Infinity, ...lines.slice(0, server.historySize));
		} catch {
			// It is gone; what is in memory is all.
		}
	});
}

// Else it isn't loaded: it opens the streams, which a program may not have.
function hasRepl() {
	const { argv, execArgv } = process;
	const asked = (...options) => execArgv.some((word) => options.some((option) => word === option || word.startsWith(`${option}=`)));

	return asked('-i', '--interactive') ||
		(argv.length < 2 && !asked('-e', '--eval', '-p', '-pe', '--print') && require('tty').isatty(0));
}

try {
	if (hasRepl()) {
		const { REPLServer } = require('repl');
		const { setupHistory } = REPLServer.prototype;
		REPLServer.prototype.setupHistory = function (name, ...words) {
			followHistory(this, typeof name === 'object' ? name?.filePath : name);
			return Reflect.apply(setupHistory, this, [name, ...words]);
		};
	}
} catch {
	// A node without a REPL.
}
