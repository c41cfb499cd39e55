package evidence

import (
	"fmt"
	"strings"
)

// conditions are those of rules, by the kind of token; the value is quoted.
var conditions = map[string]string{
	"system":           "os_name == %s",
	"system version":   `trim(os_name + " " + os_flavor) == %s`,
	"system quality":   "quality == %s",
	"link":             "link_type == %s",
	"rewritten":        "rewritten == %s",
	"software":         "software.name == %s",
	"software version": `trim(software.name + " " + software.flavor) == %s`,
	"dialect":          "software.dialect == %s",
	"tls":              `trim(tls.library + " " + tls.release) == %s`,
	"tls version":      "tls.version == %s",
	"ja4":              "tls.ja4 == %s",
	"conduct":          "%s in conduct",
	"contradiction":    "%s in contradictions",
	"changed":          "%s in memory.changed",
	"new here":         "%s in memory.new_here",
}

// whole are conditions of tokens whose value is not a value of the note.
var whole = map[string]string{
	"system=unknown":              `state == "unknown"`,
	"software=unknown":            `software.state == "unknown"`,
	"tls=none":                    `tls.state == "none"`,
	"tls=refused":                 `tls.state == "refused"`,
	"conduct=none":                `conduct_state == "complete" && len(conduct) == 0`,
	"contradiction=none":          `contradictions_state == "complete" && len(contradictions) == 0`,
	"memory=new address":          "memory.new",
	"memory=16 visits and more":   "memory.visits >= 16",
	"memory=fewer than 16 visits": "memory.visits > 0 && memory.visits < 16",
	"distance=0":                  "distance == 0",
	"distance=1 to 5":             "distance >= 1 && distance <= 5",
	"distance=6 to 10":            "distance >= 6 && distance <= 10",
	"distance=11 to 15":           "distance >= 11 && distance <= 15",
	"distance=16 to 20":           "distance >= 16 && distance <= 20",
	"distance=over 20":            "distance > 20",
}

// Condition is a token as the condition of a rule, which fits between single
// quotes; "" where rules cannot ask for it.
func Condition(token string) string {
	if when := whole[token]; when != "" {
		return when
	}
	kind, value, _ := strings.Cut(token, "=")
	form := conditions[kind]
	if form == "" {
		return ""
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\'' || c == '\\' {
			return ""
		}
	}
	return fmt.Sprintf(form, `"`+value+`"`)
}
