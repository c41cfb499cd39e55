package main

import (
	"regexp"
	"strconv"
	"strings"
)

// configError is a fault of the configuration file.
type configError struct {
	file string
	line int // 0: not known
	key  string
	msg  string
}

func (e *configError) Error() string {
	where := e.file
	if e.line > 0 {
		where += ":" + strconv.Itoa(e.line)
	}
	if e.key != "" {
		where += ": " + e.key
	}
	return where + ": " + e.msg
}

// at says of which key of the file err is the fault, where there is a file.
func (c *config) at(key string, err error) error {
	if c.path == "" {
		return err
	}
	return &configError{file: c.path, line: keyLine(c.text, key), key: key, msg: err.Error()}
}

// wrongType is how the TOML library says that a value has the wrong type; it
// has no error of its own for that.
var wrongType = regexp.MustCompile(`^toml: line (\d+) \(last key "(.*)"\): ` +
	`(?:incompatible types: TOML value has type ([\w.]+); destination has type ([\w.]+)|type mismatch for .*: expected ([\w.]+) but found ([\w.]+))$`)

var typeNames = map[string]string{
	"string": "a text", "integer": "a whole number", "int64": "a whole number", "float64": "a fraction",
	"slice": "a list", "bool": "true or false", "boolean": "true or false", "table": "a table", "map": "a table",
	"time.Time": "a date",
}

// typeError says what the TOML library says of a value, in the form and words
// of all other faults.
func typeError(file string, err error) *configError {
	m := wrongType.FindStringSubmatch(err.Error())
	if m == nil {
		return &configError{file: file, msg: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	line, _ := strconv.Atoi(m[1])
	e := &configError{file: file, line: line, key: m[2]}
	got, want := m[3]+m[6], m[4]+m[5]
	if e.msg = "want " + typeName(want) + ", not " + typeName(got); typeName(want) == typeName(got) {
		e.msg = "number out of range"
	}
	return e
}

func typeName(s string) string {
	if name, ok := typeNames[s]; ok {
		return name
	}
	return s
}
