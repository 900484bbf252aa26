"""Makes the completions for bash, zsh and fish of what --help of each tool says, which is made of its tables.

    completions.py DIRECTORY TOOL...
"""
import os
import re
import subprocess
import sys

FILES = {"FILE", "OUTPUT", "IMAGE", "DIR"}


class Option:
    def __init__(self, words, text):
        letter, self.name, optional, self.argument = re.fullmatch(r"(?:-(\S), )?\s*--([\w-]+)(\[=)?[ ]?(.*?)\]?", words).groups()
        self.letter, self.optional, self.text = letter, bool(optional), text

    def spellings(self):
        return ([f"-{self.letter}"] if self.letter else []) + [f"--{self.name}"]

    def words(self, tool):
        """What the argument may be: words, and whether a file's name; None where it takes none."""
        parts = self.argument.split("|")
        if re.match(r"[A-Z]+=", self.argument):  # a number and what becomes of it
            return [], True
        fixed = [part for part in parts if re.fullmatch(r"[a-z0-9][a-z0-9.-]*=?", part)]
        if self.argument == "POINT":
            fixed = tool.points
        return fixed, any(part.split(":")[-1] in FILES for part in parts)


class Tool:
    def __init__(self, path):
        self.name = os.path.basename(path)
        said = subprocess.run([path, "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
        self.options = [Option(*row) for row in rows(said, r" {2}(?:-\S, --| {4}--)")]
        self.commands, self.points = [], []
        for part in said.split("\n\n"):
            title, _, body = part.strip("\n").partition("\n")
            if title == "Commands:":
                self.commands = rows(body, r" {2}\w")
            elif title == "POINT:":
                # A word with a value after it is completed up to there; SYMBOL and its like are the program's.
                forms = [form for row in rows(body, r" {2}\w") for form in row[0].split(", ")]
                self.points = [re.match(r"[a-z]+:?", form)[0] for form in forms if re.match(r"[a-z]", form)]


def rows(text, begins):
    """The words of each row and its description, which goes on in lines that are indented by more."""
    found = []
    for line in text.splitlines():
        if re.match(begins, line):
            words, _, description = line.strip().partition("  ")
            found.append([words, description.strip()])
        elif found and re.match(r" {10}", line):
            found[-1][1] = (found[-1][1] + " " + line.strip()).strip()
        elif found and line.strip() == "":
            break
    return [tuple(row) for row in found]


def joined(words):
    return " ".join(words)


BASH = """# bash completion for {name}(1); made by completions.py
_{name}()
{{
	local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} words="" files="" i
	local takes=" {takes} "

	# --name=value is three words here.
	if [ "$word" = = ]; then
		word="" before=$before=
	elif [ "$before" = = ]; then
		before=${{COMP_WORDS[COMP_CWORD - 2]}}=
	fi
	case $before in
{values}
	*)
		for ((i = 1; i < COMP_CWORD; i++)); do
			case ${{COMP_WORDS[i]}} in
			-*) [[ $takes != *" ${{COMP_WORDS[i]}} "* ]] || i=$((i + 1)) ;;
			=) i=$((i + 1)) ;;
			*) break ;;
			esac
		done
{rest}
		;;
	esac
	# Each word is the tool's own: there is nothing in it to be expanded.
	COMPREPLY=($(compgen -W "$words" -- "$word"))
	if [ -n "$files" ]; then
		compopt -o filenames 2>/dev/null
		mapfile -t -O "${{#COMPREPLY[@]}}" COMPREPLY < <(compgen -f -- "$word")
	fi
	[[ ${{COMPREPLY[0]-}} != *[:=] || ${{#COMPREPLY[@]}} != 1 ]] || compopt -o nospace 2>/dev/null
	! declare -F __ltrim_colon_completions >/dev/null || __ltrim_colon_completions "$word"
}}
complete -F _{name} {name}
"""
# What stands where no option's value does: at `i` the first word that is none of an option.
BASH_REST = {
    "snaptrace": """		if ((i < COMP_CWORD)); then
			declare -F _command_offset >/dev/null && { _command_offset "$i"; return; }
			files=yes
		elif [[ $word == -* ]]; then
			words="{options}"
		elif [[ $word == */* ]]; then
			files=yes
		else
			words=$(compgen -c -- "$word")
		fi""",
    "snaprun": """		files=yes
		if [[ $word == -* ]] && ((i == COMP_CWORD)); then
			words="{options}" files=""
		fi""",
    "snapimg": """		if [[ $word == -* ]]; then
			words="{options}"
		elif ((i == COMP_CWORD)); then
			words="{commands}"
		elif [ "${COMP_WORDS[i]}" = cache ] && ((i + 1 == COMP_CWORD)); then
			words="add list clear"
		else
			files=yes
		fi""",
}


def bash(tool):
    takes = [option for option in tool.options if option.argument and not option.optional]
    values = []
    for option in (option for option in tool.options if option.argument):
        fixed, files = option.words(tool)
        pattern = "|".join(takes_value(option))
        do = [f'words="{joined(fixed)}"'] * bool(fixed) + ["files=yes"] * files or [":"]
        if option.argument == "PID":
            do = ['words=$(cd /proc && echo [0-9]*)']
        values.append(f"\t{pattern}) {'; '.join(do)} ;;")
    rest = BASH_REST[tool.name].replace("{options}", joined(f"--{option.name}" for option in tool.options))
    rest = rest.replace("{commands}", joined(row[0] for row in tool.commands))
    return BASH.format(name=tool.name, takes=joined(word for option in takes for word in option.spellings()),
                       values="\n".join(values), rest=rest)


def takes_value(option):
    """How an option is spelled before its value, which with [=VALUE] only comes after a =."""
    return [f"--{option.name}="] + ([] if option.optional else option.spellings())


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_option(tool, option):
    text = re.sub(r"([\[\]\\:])", r"\\\1", option.text)
    value = ""
    if option.argument:
        fixed, files = option.words(tool)
        fixed = [word.replace(":", "\\:") for word in fixed]
        ways = [f"compadd -S '' -- {joined(fixed)}" if any(word[-1] in ":=" for word in fixed) else f"compadd -- {joined(fixed)}"] * bool(fixed)
        ways += ["_files"] * files
        what = option.argument.replace("[", "").replace("]", "")
        do = "_pids" if what == "PID" else " " if not ways else "{" + "; ".join(ways) + "}"
        value = ("::" if option.optional else ":") + what.replace(":", "\\:") + ":" + do
    names = option.spellings()
    equals = "=-" if option.optional else "=" if option.argument else ""
    once = "" if option.name in ("at", "fd", "train", "carry") else f"({joined(names)})"
    if option.name in ("at", "fd", "train", "carry"):
        once = "*"
    return [quoted(f"{once}{name}{('+' if value else '') if name[1] != '-' else equals}[{text}]{value}") for name in names]


ZSH_REST = {
    "snaptrace": ["'(-)1:program:_command_names -e'", "'*::argument:_normal'"],
    "snaprun": ["'(-)1:image:_files'", "'*:argument:_files'"],
    "snapimg": ["'1:command:((%s))'", "'*:file:_files'"],
}


def zsh(tool):
    commands = " ".join(name + "\\:" + re.sub(r"([\\ ():'\"])", r"\\\1", text.replace("'", "")) for name, text in tool.commands)
    lines = [line for option in tool.options for line in zsh_option(tool, option)]
    lines += [line % commands if "%s" in line else line for line in ZSH_REST[tool.name]]
    flags = "-s -S" if tool.name == "snapimg" else "-s -S -A '-*'"
    return f"#compdef {tool.name}\n# made by completions.py\n_arguments {flags} \\\n\t" + " \\\n\t".join(lines) + "\n"


def fish(tool):
    lines = ["# made by completions.py"]
    for option in tool.options:
        parts = ["complete", "-c", tool.name, "-l", option.name] + (["-s", option.letter] if option.letter else [])
        if option.argument:
            fixed, files = option.words(tool)
            parts += ["-a", quoted("(__fish_complete_pids)" if option.argument == "PID" else joined(fixed))] if fixed or option.argument == "PID" else []
            parts += [] if option.optional else ["-r", "-F"] if files else ["-x"]
        text = option.text.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(joined([*parts, "-d", f"'{text}'"]))
    if tool.name == "snaptrace":
        lines.append("complete -c snaptrace -x -a '(__fish_complete_subcommand)'")
    for name, text in tool.commands:
        described = text.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"complete -c {tool.name} -n __fish_use_subcommand -f -a {name} -d '{described}'")
    return "\n".join(lines) + "\n"


def main(directory, *paths):
    for shell, suffix, make in (("bash", "{}", bash), ("zsh", "_{}", zsh), ("fish", "{}.fish", fish)):
        os.makedirs(os.path.join(directory, shell), exist_ok=True)
        for path in paths:
            tool = Tool(path)
            with open(os.path.join(directory, shell, suffix.format(tool.name)), "w", encoding="utf-8") as file:
                file.write(make(tool))


if __name__ == "__main__":
    main(*sys.argv[1:])
