// Loads the TypeScript compiler from the folder that the first argument names, comes to the point, then ends at once
// (exit) or compiles a small file and writes what came out (compile).
const fs = require("fs");
const typescript = require(process.argv[2]);

fs.existsSync("/snap/here");
if (process.argv[3] === "compile") {
	const source = `
		interface Point { x: number; y: number }
		enum Side { Left, Right = "right" }
		export abstract class Shape<T extends Point> {
			private readonly points: T[] = [];
			constructor(public name: string, ...points: T[]) { this.points.push(...points); }
			get side(): Side { return this.points.length > 2 ? Side.Left : Side.Right; }
			async *walk(): AsyncGenerator<T> { for (const point of this.points) yield point; }
		}
		export const area = (a?: Point, b: Point = { x: 1, y: 2 }): number => (a?.x ?? 0) * b.y;
	`;
	const result = typescript.transpileModule(source, {
		compilerOptions: { target: typescript.ScriptTarget.ES2017, module: typescript.ModuleKind.CommonJS },
		reportDiagnostics: true,
	});
	fs.writeSync(1, result.outputText + result.diagnostics.length + "\n");
}
process.exit(0);
