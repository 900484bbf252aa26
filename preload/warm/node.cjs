// Loaded by node before a program (-r): watches process.argv and process.env up to the program's first look at its
// arguments, which is the point `warm`; python.py beside it tells of the marks. After a start the arguments, the environment and
// the working directory are the new ones, and Math.random() begins anew. Without snaptrace nothing is changed.
'use strict';
const fs = require('fs');
const vm = require('vm');
const v8 = require('v8');
const tty = require('tty');
const path = require('path');
const crypto = require('crypto');
const Module = require('module');
const { pathToFileURL } = require('url');

const MARK = '/snap/warm';
const STREAMS = ['stdin', 'stdout', 'stderr'];
// What is loaded before the point is compiled as a whole, and stays so; with these again, all after it is as ever.
const EAGER = ['--no-lazy', '--no-flush-bytecode'];
const USUAL = ['--lazy', '--flush-bytecode'];
const say = (what) => fs.existsSync(`${MARK}/${what}`);
const words = () => fs.readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1);

function setFlags(flags) {
	for (const flag of flags)
		v8.setFlagsFromString(flag);
}

// What is garbage now is none in each start, and what isn't need not be moved there.
function collect() {
	setFlags(['--expose-gc']);
	const gc = vm.runInNewContext('typeof gc === "function" ? gc : () => {}');
	setFlags(['--no-expose-gc']);
	gc();
}

function begin() {
	const { env, argv } = process;
	const given = argv.slice(2);
	const fixed = words().length - given.length;
	const names = new Set();
	const fresh = vm.runInNewContext('Math.random'); // of a context that has drawn none, so it is seeded when it's called
	const trains = env.SNAP_WARM === 'train';
	const early = list(env.SNAP_WARM_LOAD);
	let looked = false;

	delete env.SNAP_WARM;
	delete env.SNAP_WARM_LOAD;
	delete env.SNAP_WARM_TRIES;
	argv.length = 2;
	const before = { ...env };

	function look() {
		if (looked)
			return;
		if (early.loading)
			early.refuse();
		early.load();
		looked = true;
		setFlags(USUAL);
		tty.isatty = early.isatty;
		Object.defineProperty(process, 'env', { ...described.env, value: env });
		for (const name of STREAMS)
			Object.defineProperty(process, name, described[name]);
		for (const name of names)
			if (!name.includes('/') && !name.includes('\0'))
				fs.existsSync(`${MARK}/variable/${name}`);
		if (!trains)
			collect();
		const started = fs.existsSync(MARK);
		if (started)
			early.check(words().slice(fixed));
		else if (trains)
			tell();
		argv.push(...(started ? start() : given));
		Object.defineProperty(process, 'argv', { ...described.argv, value: argv });
		for (const fill of unfilled) // console.log() looks past a proxy
			fill();
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
	const unfilled = [];
	function lazy(target, fill) {
		let filled = false;
		unfilled.push(() => {
			if (!filled)
				fill(target);
			filled = true;
		});
		const reach = (name) => {
			if (!filled && !(target === argv && (name === '0' || name === '1')))
				look();
		};
		return new Proxy(target, {
			get(object, name, receiver) {
				if (early.loading && object === argv && (name === 'indexOf' || name === 'includes'))
					return (word, ...from) => {
						if (typeof word !== 'string' || from.length > 0)
							early.refuse();
						return early.lacks(word) && (name === 'indexOf' ? -1 : false);
					};
				if (!looked && (name === 'indexOf' || name === 'includes'))
					return (word, ...from) => { // and what it does then comes before what it loads
						early.dependsOn(word);
						look();
						return object[name](word, ...from);
					};
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

	let listing = []; // Object.keys() asks of each name whether it's enumerable, in their order
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
			if (listing[0] === name)
				listing.shift();
			else
				note(name);
			return Reflect.getOwnPropertyDescriptor(object, name);
		},
		ownKeys(object) {
			names.add('=');
			listing = Reflect.ownKeys(object);
			return [...listing];
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
				if (early.loading)
					return early.stream(name);
				look();
				return process[name];
			},
		});
	for (const name of ['argv', 'env'])
		if ('get' in described[name])
			described[name] = plain;
	if (!trains)
		setFlags(EAGER);
	say('begin');
	early.importFirst();
}

// Of a run that trains: says which modules are loaded after the first look.
function tell() {
	const { load } = Module.prototype;
	Module.prototype.load = function (filename) {
		say(`module/cjs ${filename}/${module_parent(this)}`);
		return load.call(this, filename);
	};
}

// Without the getter's warning.
function module_parent(module) {
	return (module.parent && module.parent.filename) || '/';
}

// What a run that trained has loaded after its first look at the arguments, to be loaded before it. A module that looks whether
// a word is among the arguments, or whether a stream is a terminal, is right for those that have the same answer: for
// others all is loaded again as it's asked for. One that looks in another way is left out.
function list(file) {
	const lines = file ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
	const required = lines.filter((line) => line.startsWith('cjs ')).map((line) => [line, ...line.slice(4).split('//')]).map(([line, filename, parent]) => [line, filename, `/${parent}`]);
	const known = new Set(required.map(([, filename]) => filename));
	const imported = lines.filter((line) => line.startsWith('open ') && !known.has(line.slice(5)));
	const absent = new Set();
	const terminals = new Map();
	const stack = [];
	const dropped = new Set();
	const { isatty } = tty;
	let added = [];

	const self = {
		loading: false,
		isatty,
		refuse() {
			for (const line of stack)
				dropped.add(line);
			throw new Error('not before the arguments are looked at');
		},
		dependsOn(word) {
			if (!self.loading)
				absent.add(word);
		},
		lacks(word) {
			if (self.importing)
				self.refuse();
			absent.add(word);
			return true;
		},
		isTerminal(descriptor) {
			if (!self.loading || descriptor > 2)
				return isatty(descriptor);
			if (self.importing)
				self.refuse();
			say('pause');
			terminals.set(descriptor, isatty(descriptor));
			say('resume');
			return terminals.get(descriptor);
		},
		stream(name) {
			const number = STREAMS.indexOf(name);
			const real = () => {
				if (self.loading)
					self.refuse();
				return process[name];
			};
			return new Proxy({}, {
				get(object, property) {
					if (self.loading && property === 'fd')
						return number;
					if (self.loading && property === 'isTTY')
						return self.isTerminal(number) || undefined;
					return Reflect.get(real(), property);
				},
				set: (object, property, value) => Reflect.set(real(), property, value),
				has: (object, property) => Reflect.has(real(), property),
				getPrototypeOf: () => Reflect.getPrototypeOf(real()),
			});
		},
		load() {
			if (required.length === 0)
				return;
			const before = new Set(Object.keys(Module._cache));
			const { load } = Module.prototype;
			const names = new Map(required.map(([line, filename]) => [filename, line]));
			self.loading = true;
			tty.isatty = self.isTerminal;
			Module.prototype.load = function (filename) {
				stack.push(names.get(filename) || `cjs ${filename}`);
				try {
					return load.call(this, filename);
				} finally {
					stack.pop();
				}
			};
			for (const [line, filename, parent] of required) {
				if (Module._cache[filename])
					continue;
				say(`load/${line}`);
				const seen = dropped.size;
				try {
					Module._load(filename, Module._cache[parent] || stub(parent), false);
				} catch {
					dropped.add(line);
				}
				if (dropped.size > seen)
					dropped.add(line);
			}
			say('load/');
			Module.prototype.load = load;
			self.loading = false;
			self.again();
			added = Object.keys(Module._cache).filter((filename) => !before.has(filename));
		},
		again() {
			if (dropped.size === 0)
				return;
			for (const line of dropped)
				say(`drop/${line}`);
			say('again');
		},
		check(given) {
			const isRight = given.every((word) => !absent.has(word)) &&
				[...terminals].every(([descriptor, was]) => isatty(descriptor) === was);
			if (!isRight)
				for (const filename of added)
					delete Module._cache[filename];
		},
		// Modules that are imported can only be loaded by and by: before the program itself.
		importFirst() {
			const files = imported.map((line) => [line, line.slice(5)]).filter(([, name]) => isImported(name));
			if (files.length === 0)
				return;
			const { runMain } = Module;
			Module.runMain = async function (...main) {
				self.loading = self.importing = true;
				tty.isatty = self.isTerminal;
				for (const [line, name] of files) {
					say(`load/${line}`);
					stack.push(line);
					await import(pathToFileURL(name)).catch(() => dropped.add(line));
					stack.pop();
				}
				say('load/');
				self.loading = self.importing = false;
				self.again();
				setImmediate(() => {
					Module.runMain = runMain;
					Reflect.apply(runMain, Module, main);
				});
			};
		},
	};
	return self;
}

// Whoever required a module may have to be left out itself.
function stub(parent) {
	const module = new Module(parent);
	module.filename = parent;
	module.paths = Module._nodeModulePaths(path.dirname(parent));
	return module;
}

function isImported(file) {
	if (file.endsWith('.mjs'))
		return true;
	for (let at = path.dirname(file); ; at = path.dirname(at)) {
		try {
			return JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8')).type === 'module';
		} catch {
			if (at === path.dirname(at))
				return false;
		}
	}
}

delete require.cache[__filename];
const at = process.execArgv.indexOf(__filename);
if (at > 0)
	process.execArgv.splice(at - 1, 2);
if (process.env.SNAP_WARM !== undefined)
	begin();
