package config

import (
	"fmt"

	"github.com/mxprint/mxprint/internal/policy"
)

// Policy is [policy], the policy service of Postfix, and its rules.
type Policy struct {
	Header
	Act           bool     `toml:"act"`
	AllowNetworks []string `toml:"allow_networks"`
	AllowNames    []string `toml:"allow_names"`
	AllowLogins   []string `toml:"allow_logins"`
	Rules         []Rule   `toml:"rules"`
}

// Rule is one of [[policy.rules]].
type Rule struct {
	Name    string `toml:"name"`
	When    string `toml:"when"`
	Action  string `toml:"action"`
	Observe bool   `toml:"observe"`
}

func (p *Policy) check(k *checker) {
	p.Header.check(k, "policy")
	k.networks("policy.allow_networks", p.AllowNetworks)
	for _, name := range p.AllowNames {
		k.that(name != "" && name != "." && name != "*", "policy.allow_names", fmt.Sprintf("%q: want a name such as mx.example.org, or .example.org for all below it", name))
	}
	_, faults := p.Compile()
	for _, f := range faults {
		k.that(false, fmt.Sprintf("policy.rules[%d].%s", f.Index+1, f.Key), f.Err.Error())
	}
}

// Compile returns the rules, nil without any.
func (p *Policy) Compile() (*policy.Set, []*policy.Fault) {
	if len(p.Rules) == 0 {
		return nil, nil
	}
	networks, _ := Networks(p.AllowNetworks)
	rules := make([]policy.Rule, len(p.Rules))
	for i, r := range p.Rules {
		rules[i] = policy.Rule{Name: r.Name, When: r.When, Action: r.Action, Observe: r.Observe || !p.Act}
	}
	return policy.Compile(rules, policy.Allow{Networks: networks, Names: p.AllowNames, Logins: p.AllowLogins})
}
