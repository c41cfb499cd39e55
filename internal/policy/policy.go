// Package policy judges mails by the rules of an operator: a condition about the
// connection's note and an answer for the mail server.
//
// A condition is an expression of github.com/expr-lang/expr over Mail, whose
// names and types are checked when it is compiled. It has no loops but those
// over the lists of a note, and a bound on memory. Rules act where the operator
// says so, and on nothing that the sensor did not see.
package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/mxprint/mxprint/note"
)

// Bounds of a set of rules.
const (
	MaxRules     = 200
	maxCondition = 4096 // bytes
	maxNodes     = 1000
	maxMemory    = 10_000 // elements that a condition may make
)

// Rule is a rule as it is written.
type Rule struct {
	Name    string // letters, digits, - and _; unique
	When    string
	Action  string
	Observe bool // only say what it would have answered
}

// Set is a set of compiled rules. It is safe for concurrent use.
type Set struct {
	rules []compiled
	allow Allow
}

type compiled struct {
	Rule
	action  Action
	program *vm.Program
}

// Fault is what is wrong with a rule.
type Fault struct {
	Index int    // of the rule, from 0 on
	Key   string // name, when or action
	Err   error
}

func (f *Fault) Error() string { return fmt.Sprintf("rule %d: %s: %v", f.Index+1, f.Key, f.Err) }

// Unwrap returns Err.
func (f *Fault) Unwrap() error { return f.Err }

// Compile checks rules and makes a set of them. All that is wrong comes back.
func Compile(rules []Rule, allow Allow) (*Set, []*Fault) {
	s := &Set{allow: allow}
	var faults []*Fault
	wrong := func(i int, key string, err error) { faults = append(faults, &Fault{i, key, err}) }
	if len(rules) > MaxRules {
		wrong(MaxRules, "name", fmt.Errorf("more than %d rules", MaxRules))
		rules = rules[:MaxRules]
	}
	names := make(map[string]bool)
	for i, r := range rules {
		if !isName(r.Name) {
			wrong(i, "name", fmt.Errorf("want letters, digits, - and _, at most 60 of them, not %q", r.Name))
		} else if names[r.Name] {
			wrong(i, "name", fmt.Errorf("%q is another rule's", r.Name))
		}
		names[r.Name] = true
		action, err := parseAction(r.Action)
		if err != nil {
			wrong(i, "action", err)
		}
		program, err := condition(r.When)
		if err != nil {
			wrong(i, "when", err)
		}
		s.rules = append(s.rules, compiled{r, action, program})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return s, nil
}

func isName(s string) bool {
	return s != "" && len(s) <= 60 && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	})
}

// condition compiles one.
func condition(text string) (*vm.Program, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, errors.New(`want a condition, such as os_name == "Windows"`)
	case len(text) > maxCondition:
		return nil, fmt.Errorf("more than %d bytes", maxCondition)
	}
	p, err := expr.Compile(text, expr.Env(Mail{}), expr.AsBool(), expr.MaxNodes(maxNodes))
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n") // what follows draws the place
		return nil, errors.New(first)
	}
	return p, nil
}

// Verdict is what the rules say about a mail.
type Verdict struct {
	Allowed string // why no rule was asked; empty where they were
	Hits    []Hit  // in the order of the rules, up to the first that acts
	Err     error  // of conditions that could not be computed, which count as false
}

// Hit is a rule whose condition is true.
type Hit struct {
	Rule    string
	Action  Action
	Observe bool // it does not act
}

// Acts returns the hit that answers the mail server, if one does.
func (v *Verdict) Acts() (Hit, bool) {
	if n := len(v.Hits); n > 0 && !v.Hits[n-1].Observe {
		return v.Hits[n-1], true
	}
	return Hit{}, false
}

// Judge asks the rules about a mail. A client that was not seen is not judged.
func (s *Set) Judge(m *Mail) Verdict {
	var v Verdict
	if m.State != note.Matched.String() && m.State != note.Unknown.String() {
		v.Allowed = m.State
		return v
	}
	if v.Allowed = s.allow.why(m); v.Allowed != "" {
		return v
	}
	machine := vm.VM{MemoryBudget: maxMemory}
	for i := range s.rules {
		r := &s.rules[i]
		hit, err := machine.Run(r.program, m)
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			v.Err = errors.Join(v.Err, fmt.Errorf("rule %s: %s", r.Name, first))
			continue
		}
		if hit != true {
			continue
		}
		v.Hits = append(v.Hits, Hit{r.Name, r.action, r.Observe})
		if !r.Observe {
			break
		}
	}
	return v
}

// why is the entry of the list that a mail is on, or "".
func (a *Allow) why(m *Mail) string {
	if addr, err := netip.ParseAddr(m.Client); err == nil {
		for _, p := range a.Networks {
			if p.Contains(addr.Unmap()) {
				return "allowed network " + p.String()
			}
		}
	}
	if name := strings.ToLower(strings.TrimSuffix(m.ClientName, ".")); name != "" {
		for _, n := range a.Names {
			if n = strings.ToLower(n); name == n || strings.HasPrefix(n, ".") && strings.HasSuffix(name, n) {
				return "allowed name " + n
			}
		}
	}
	if m.Login != "" && (slices.Contains(a.Logins, m.Login) || slices.Contains(a.Logins, "*")) {
		return "allowed login"
	}
	return ""
}

// Len is the number of rules.
func (s *Set) Len() int { return len(s.rules) }

// Describe says of each rule what it does, a line each.
func (s *Set) Describe() []string {
	var lines []string
	for i := range s.rules {
		r := &s.rules[i]
		what := r.action.explain()
		if r.Observe {
			what = "only logs; it would answer " + r.action.String()
		}
		lines = append(lines, fmt.Sprintf("%s: when %s: %s", r.Name, strings.Join(strings.Fields(r.When), " "), what))
	}
	return lines
}
