package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxAction is how long an action may be, in bytes: Postfix quotes it in replies
// and log lines.
const maxAction = 400

// actions are the first words of an action, and whether a text has to follow.
var actions = map[string]bool{
	"DUNNO": false, "PREPEND": true, "WARN": false, "DEFER_IF_PERMIT": false, "REJECT": false, "CLASS": true,
}

// Action is what Postfix is answered where a rule fires.
type Action struct {
	verb, text string
}

// parseAction reads an action as it stands in the configuration.
func parseAction(s string) (Action, error) {
	verb, text, _ := strings.Cut(strings.TrimSpace(s), " ")
	text = strings.TrimSpace(text)
	needs, known := actions[strings.ToUpper(verb)]
	a := Action{strings.ToUpper(verb), text}
	switch {
	case a.verb == "":
		return a, errors.New("want an action: PREPEND, WARN, CLASS, DEFER_IF_PERMIT, REJECT or DUNNO")
	case a.verb == "OK" || a.verb == "PERMIT":
		return a, fmt.Errorf("%s would skip the restrictions that follow; want DUNNO", a.verb)
	case !known:
		return a, fmt.Errorf("unknown action %q: want PREPEND, WARN, CLASS, DEFER_IF_PERMIT, REJECT or DUNNO", verb)
	case needs && text == "":
		return a, fmt.Errorf("%s needs %s behind it", a.verb, map[string]string{"PREPEND": "a header", "CLASS": "the name of a restriction class"}[a.verb])
	case len(s) > maxAction:
		return a, fmt.Errorf("more than %d bytes", maxAction)
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }):
		return a, fmt.Errorf("want printable ASCII in one line")
	case a.verb == "PREPEND" && !isHeader(text):
		return a, fmt.Errorf("want a header such as X-Mxprint-Rule: windows")
	case a.verb == "CLASS" && !isClass(text):
		return a, fmt.Errorf("want the name of a restriction class: lower-case letters, digits, - and _")
	}
	return a, nil
}

func isHeader(s string) bool {
	name, body, ok := strings.Cut(s, ":")
	return ok && name != "" && strings.TrimSpace(body) != "" && !strings.ContainsAny(name, " \t")
}

func isClass(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}) && !slices.Contains([]string{"ok", "dunno", "reject", "permit", "defer", "hold", "discard"}, s)
}

// String is the action in the words of Postfix.
func (a Action) String() string {
	switch {
	case a.verb == "CLASS":
		return a.text
	case a.text == "":
		return a.verb
	}
	return a.verb + " " + a.text
}

// IsNothing reports whether the action is DUNNO.
func (a Action) IsNothing() bool { return a.verb == "DUNNO" }

// IsPrepend reports whether the action adds a header.
func (a Action) IsPrepend() bool { return a.verb == "PREPEND" }

// explain says what Postfix does with it.
func (a Action) explain() string {
	switch a.verb {
	case "PREPEND":
		return "adds the header " + a.text
	case "WARN":
		return "writes a warning to the mail log"
	case "CLASS":
		return "applies the restriction class " + a.text
	case "DEFER_IF_PERMIT":
		return "defers the mail, unless another restriction rejects it"
	case "REJECT":
		return "rejects the mail"
	}
	return "does nothing, and no later rule is asked"
}
