package usage

import (
	"fmt"
	"io"
	"strings"
)

// Command is what a shell shall complete of one command of mxprint.
type Command struct {
	Name, Summary string
	Page
}

// flags joins the names of options.
func (c *Command) flags() string {
	var names []string
	for _, o := range c.Options() {
		names = append(names, "-"+o.Name)
	}
	return strings.Join(names, " ")
}

// Bash writes a script for bash, which completes words, options, and files for all else.
func Bash(w io.Writer, all []Command) {
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
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
		fmt.Fprintf(w, "\t%s) words='%s' flags='%s' ;;\n", c.Name, strings.Join(c.Words(), " "), c.flags())
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

// Zsh writes a script for zsh, which shows what each option is, too.
func Zsh(w io.Writer, all []Command) {
	colon := strings.NewReplacer(":", `\:`, "[", `\[`, "]", `\]`, `\`, `\\`)
	fmt.Fprint(w, "_mxprint() {\n\tlocal -a commands=(\n")
	for _, c := range all {
		fmt.Fprintf(w, "\t\t%s\n", quote(colon.Replace(c.Name)+":"+c.Summary))
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
		fmt.Fprintf(w, "\t%s) _arguments", c.Name)
		for _, o := range c.Options() {
			spec := "-" + o.Name + "[" + colon.Replace(o.Text) + "]"
			if o.Arg != "" {
				spec += ":" + o.Arg + ":_files"
			}
			fmt.Fprintf(w, " \\\n\t\t%s", quote(spec))
		}
		if len(c.Words()) > 0 {
			fmt.Fprintf(w, " \\\n\t\t%s", quote("1:command:("+strings.Join(c.Words(), " ")+")"))
		}
		fmt.Fprint(w, " \\\n\t\t'*:file:_files' ;;\n")
	}
	// Both ways to load it: by fpath, and by source.
	fmt.Fprint(w, "\tesac\n}\nif [ \"$funcstack[1]\" = _mxprint ]; then _mxprint \"$@\"; else compdef _mxprint mxprint; fi\n")
}

// Fish writes a script for fish: a line for each word and option.
func Fish(w io.Writer, all []Command) {
	for _, c := range all {
		fmt.Fprintf(w, "complete -c mxprint -n __fish_use_subcommand -f -a %s -d %s\n", c.Name, quote(c.Summary))
	}
	for _, c := range all {
		seen := quote("__fish_seen_subcommand_from " + c.Name)
		for _, o := range c.Options() {
			kind, arg := "o", ""
			if len(o.Name) == 1 {
				kind = "s"
			}
			if o.Arg != "" {
				arg = " -r"
			}
			fmt.Fprintf(w, "complete -c mxprint -n %s -%s %s%s -d %s\n", seen, kind, o.Name, arg, quote(o.Text))
		}
		if len(c.Words()) > 0 {
			fmt.Fprintf(w, "complete -c mxprint -n %s -f -a %s\n",
				quote("__fish_seen_subcommand_from "+c.Name+"; and not __fish_seen_subcommand_from "+strings.Join(c.Words(), " ")),
				quote(strings.Join(c.Words(), " ")))
		}
	}
}
