// Loaded by node before a program (-r): watches process.argv and process.env up to the program's first look at its
// arguments, which is the point `warm`; python.py beside it tells of the marks. After a start the arguments, the environment and
// the working directory are the new ones, and Math.random() begins anew. Without snaptrace nothing is changed.
'use strict';
const fs = require('fs');
const vm = require('vm');
const v8 = require('v8');
const crypto = require('crypto');

const MARK = '/snap/warm';
const STREAMS = ['stdin', 'stdout', 'stderr'];
const words = () => fs.readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1);

function begin() {
	const { env, argv } = process;
	const given = argv.slice(2);
	const fixed = words().length - given.length;
	const names = new Set();
	const fresh = vm.runInNewContext('Math.random'); // of a context that has drawn none, so it is seeded when it's called
	let looked = false;
	let all = false;

	delete env.SNAP_WARM;
	argv.length = 2;
	const before = { ...env };

	function look() {
		if (looked)
			return;
		looked = true;
		Object.defineProperty(process, 'env', { ...described.env, value: env });
		for (const name of STREAMS)
			Object.defineProperty(process, name, described[name]);
		for (const name of all ? ['*'] : names)
			if (!name.includes('/') && !name.includes('\0'))
				fs.existsSync(`${MARK}/variable/${name}`);
		const started = fs.existsSync(MARK);
		argv.push(...(started ? start() : given));
		Object.defineProperty(process, 'argv', { ...described.argv, value: argv });
	}

	function start() {
		const now = new Map();
		for (const word of fs.readFileSync('/proc/self/environ', 'utf8').split('\0')) {
			const at = word.indexOf('=');
			if (at > 0 && !now.has(word.slice(0, at)))
				now.set(word.slice(0, at), word.slice(at + 1));
		}
		for (const name of new Set([...Object.keys(before), ...Object.keys(env)])) // what the program has changed itself
			if (!(name in env))
				now.delete(name);
			else if (env[name] !== before[name])
				now.set(name, env[name]);
		for (const name of Object.keys(env))
			if (!now.has(name))
				delete env[name];
		for (const [name, value] of now)
			if (env[name] !== value)
				env[name] = value;
		process.chdir('.'); // node remembers the directory's name until the next chdir
		v8.setFlagsFromString(`--random-seed=${crypto.randomBytes(4).readInt32LE() || 1}`);
		Math.random = fresh;
		return words().slice(fixed);
	}

	// What is looked at only when somebody looks into it: the array itself, or a slice of it.
	function lazy(target, fill) {
		let filled = false;
		const reach = (name) => {
			if (!filled && !(target === argv && (name === '0' || name === '1'))) {
				look();
				filled = true;
				fill(target);
			}
		};
		return new Proxy(target, {
			get(object, name, receiver) {
				if (name === 'slice' && !looked && object === argv)
					return function slice(...range) {
						return lazy([], (array) => array.push(...argv.slice(...range)));
					};
				reach(name);
				return Reflect.get(object, name, receiver);
			},
			set(object, name, value) {
				reach(name);
				return Reflect.set(object, name, value);
			},
			has(object, name) {
				reach(name);
				return Reflect.has(object, name);
			},
			deleteProperty(object, name) {
				reach(name);
				return Reflect.deleteProperty(object, name);
			},
			defineProperty(object, name, descriptor) {
				reach(name);
				return Reflect.defineProperty(object, name, descriptor);
			},
			getOwnPropertyDescriptor(object, name) {
				reach(name);
				return Reflect.getOwnPropertyDescriptor(object, name);
			},
			ownKeys(object) {
				reach();
				return Reflect.ownKeys(object);
			},
		});
	}

	const note = (name) => {
		if (!looked && typeof name === 'string')
			names.add(name);
	};
	const watched = new Proxy(env, {
		get(object, name) {
			note(name);
			return Reflect.get(object, name);
		},
		has(object, name) {
			note(name);
			return Reflect.has(object, name);
		},
		getOwnPropertyDescriptor(object, name) {
			note(name);
			return Reflect.getOwnPropertyDescriptor(object, name);
		},
		ownKeys(object) {
			all = true;
			return Reflect.ownKeys(object);
		},
	});
	const described = {};
	for (const name of ['argv', 'env', ...STREAMS])
		described[name] = Object.getOwnPropertyDescriptor(process, name);
	const plain = { configurable: true, enumerable: true, writable: true };
	Object.defineProperty(process, 'argv', { ...plain, value: lazy(argv, () => {}) });
	Object.defineProperty(process, 'env', { ...plain, value: watched });
	// A stream is what it is when it's first asked for, so that is the point, too.
	for (const name of STREAMS)
		Object.defineProperty(process, name, {
			...described[name],
			get() {
				look();
				return process[name];
			},
		});
	for (const name of ['argv', 'env'])
		if ('get' in described[name])
			described[name] = plain;
	fs.existsSync(`${MARK}/begin`);
}

delete require.cache[__filename];
const at = process.execArgv.indexOf(__filename);
if (at > 0)
	process.execArgv.splice(at - 1, 2);
if (process.env.SNAP_WARM !== undefined)
	begin();
