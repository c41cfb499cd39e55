package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/mxprint/mxprint/internal/usage"
)

// completionCommand is a function: the command lists all commands, itself among
// them.
func completionCommand() command {
	return command{
		name:    "completion",
		summary: "print a script for the completion of bash, zsh or fish",
		usage: `Usage: mxprint completion bash
       mxprint completion zsh
       mxprint completion fish

Prints a script that has the shell complete commands and options of mxprint. The
packages bring it along.

Examples:
  source <(mxprint completion bash)
  mxprint completion zsh >/usr/local/share/zsh/site-functions/_mxprint
  mxprint completion fish >~/.config/fish/completions/mxprint.fish
`,
		run: runCompletion,
	}
}

// completed is what a shell shall know of one command.
type completed struct {
	name, summary string
	words         []string
	options       []usage.Option
}

func runCompletion(_ context.Context, args []string, std *stdio) error {
	shells := map[string]func(io.Writer, []completed){"bash": writeBash, "zsh": writeZsh, "fish": writeFish}
	if len(args) != 1 || shells[args[0]] == nil {
		return fmt.Errorf("completion: %q: name one shell: bash, zsh or fish", args)
	}
	var all []completed
	for _, c := range commands() {
		page := usage.Parse(c.usage)
		all = append(all, completed{c.name, c.summary, page.Words(), page.Options()})
	}
	fmt.Fprintf(std.out, "%s completion of mxprint %s; mxprint completion %s prints it\n",
		map[bool]string{false: "#", true: "#compdef mxprint\n#"}[args[0] == "zsh"], version, args[0])
	shells[args[0]](std.out, all)
	return nil
}

// flags joins the names of options.
func (c *completed) flags() string {
	var names []string
	for _, o := range c.options {
		names = append(names, "-"+o.Name)
	}
	return strings.Join(names, " ")
}

// writeBash completes words, options, and files for all else.
func writeBash(w io.Writer, all []completed) {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	fmt.Fprintf(w, `_mxprint() {
	local cur=${COMP_WORDS[COMP_CWORD]} words= flags=
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W '%s' -- "$cur"))
		return
	fi
	case ${COMP_WORDS[1]} in
`, strings.Join(names, " "))
	for _, c := range all {
		fmt.Fprintf(w, "\t%s) words='%s' flags='%s' ;;\n", c.name, strings.Join(c.words, " "), c.flags())
	}
	fmt.Fprint(w, `	esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$flags" -- "$cur"))
	elif [ -n "$words" ] && [ "$COMP_CWORD" -eq 2 ]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	else
		compopt -o filenames 2>/dev/null
		local IFS=$'\n'
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
}
complete -F _mxprint mxprint
`)
}

// quote is a text in single quotes, for any of the shells.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// writeZsh tells what each option is, too.
func writeZsh(w io.Writer, all []completed) {
	colon := strings.NewReplacer(":", `\:`, "[", `\[`, "]", `\]`, `\`, `\\`)
	fmt.Fprint(w, "_mxprint() {\n\tlocal -a commands=(\n")
	for _, c := range all {
		fmt.Fprintf(w, "\t\t%s\n", quote(colon.Replace(c.name)+":"+c.summary))
	}
	fmt.Fprint(w, `	)
	if (( CURRENT == 2 )); then
		_describe command commands
		return
	fi
	local command=$words[2]
	shift words
	(( CURRENT-- ))
	case $command in
`)
	for _, c := range all {
		fmt.Fprintf(w, "\t%s) _arguments", c.name)
		for _, o := range c.options {
			spec := "-" + o.Name + "[" + colon.Replace(o.Text) + "]"
			if o.Arg != "" {
				spec += ":" + o.Arg + ":_files"
			}
			fmt.Fprintf(w, " \\\n\t\t%s", quote(spec))
		}
		if len(c.words) > 0 {
			fmt.Fprintf(w, " \\\n\t\t%s", quote("1:command:("+strings.Join(c.words, " ")+")"))
		}
		fmt.Fprint(w, " \\\n\t\t'*:file:_files' ;;\n")
	}
	// Both ways to load it: by fpath, and by source.
	fmt.Fprint(w, "\tesac\n}\nif [ \"$funcstack[1]\" = _mxprint ]; then _mxprint \"$@\"; else compdef _mxprint mxprint; fi\n")
}

// writeFish is a line for each word and option.
func writeFish(w io.Writer, all []completed) {
	for _, c := range all {
		fmt.Fprintf(w, "complete -c mxprint -n __fish_use_subcommand -f -a %s -d %s\n", c.name, quote(c.summary))
	}
	for _, c := range all {
		seen := quote("__fish_seen_subcommand_from " + c.name)
		for _, o := range c.options {
			kind, arg := "o", ""
			if len(o.Name) == 1 {
				kind = "s"
			}
			if o.Arg != "" {
				arg = " -r"
			}
			fmt.Fprintf(w, "complete -c mxprint -n %s -%s %s%s -d %s\n", seen, kind, o.Name, arg, quote(o.Text))
		}
		if len(c.words) > 0 {
			fmt.Fprintf(w, "complete -c mxprint -n %s -f -a %s\n",
				quote("__fish_seen_subcommand_from "+c.name+"; and not __fish_seen_subcommand_from "+strings.Join(c.words, " ")),
				quote(strings.Join(c.words, " ")))
		}
	}
}
