package main

import (
	"context"
	"fmt"
	"io"

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

func runCompletion(_ context.Context, args []string, std *stdio) error {
	shells := map[string]func(io.Writer, []usage.Command){"bash": usage.Bash, "zsh": usage.Zsh, "fish": usage.Fish}
	if len(args) != 1 || shells[args[0]] == nil {
		return usagef("completion: name one shell: bash, zsh or fish")
	}
	var all []usage.Command
	for _, c := range commands() {
		all = append(all, usage.Command{Name: c.name, Summary: c.summary, Page: usage.Parse(c.usage)})
	}
	fmt.Fprintf(std.out, "%s completion of mxprint %s; mxprint completion %s prints it\n",
		map[bool]string{false: "#", true: "#compdef mxprint\n#"}[args[0] == "zsh"], version, args[0])
	shells[args[0]](std.out, all)
	return nil
}
