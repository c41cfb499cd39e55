package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// fill puts the values of c's text into c. The TOML library would stop at the
// first value of a wrong type: all of them are wanted, in our words. An error
// is one of the syntax, after which nothing can be read.
func fill(c *Config) (Faults, error) {
	var tree map[string]any
	_, err := toml.Decode(c.text, &tree)
	var pe toml.ParseError
	switch {
	case errors.As(err, &pe):
		msg := strings.TrimSuffix(pe.Message, ".")
		if strings.Contains(msg, "cannot have leading zeroes") {
			msg = "want it in quotes, such as \"0660\""
		}
		key := pe.LastKey
		if twice, ok := strings.CutSuffix(strings.TrimPrefix(msg, "Key '"), "' has already been defined"); ok {
			key, msg = twice, "it stands twice in one table: keep one of them"
			table := twice[:max(0, strings.LastIndexByte(twice, '.'))]
			if line := keyLine(c.text, twice); 0 < line && line < pe.Position.Line && !strings.Contains(c.text, "[["+table+"]]") {
				msg = fmt.Sprintf("line %d has it already: edit that one", line)
			}
		}
		return nil, &Fault{File: c.path, Line: pe.Position.Line, Key: key, Msg: msg}
	case err != nil:
		return nil, &Fault{File: c.path, Msg: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	f := filler{config: c}
	f.table(reflect.ValueOf(c).Elem(), tree, "")
	return f.faults, nil
}

type filler struct {
	config *Config
	faults Faults
}

// maxFaults is how many are reported of a file that is not one of ours.
const maxFaults = 100

func (f *filler) wrong(key, format string, args ...any) {
	switch n := len(f.faults); {
	case n > maxFaults:
		return
	case n == maxFaults:
		f.faults = append(f.faults, &Fault{File: f.config.path, Msg: "more keys are wrong, which are not listed"})
		return
	}
	f.faults = append(f.faults, f.config.Fault(key, fmt.Sprintf(format, args...)))
}

// table fills a struct by the names in its tags.
func (f *filler) table(to reflect.Value, values map[string]any, prefix string) {
	fields := make(map[string]reflect.Value)
	var names []string
	var add func(reflect.Value)
	add = func(to reflect.Value) {
		for i := range to.NumField() {
			field := to.Type().Field(i)
			if name := field.Tag.Get("toml"); name != "" {
				fields[name] = to.Field(i)
				names = append(names, name)
			} else if field.Anonymous { // its keys are in the same table
				add(to.Field(i))
			}
		}
	}
	add(to)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		field, ok := fields[name]
		switch {
		case ok:
			f.value(field, value, prefix+name)
		case nearest(name, names) != "":
			f.wrong(prefix+name, "unknown key; did you mean %s?", nearest(name, names))
		default:
			f.wrong(prefix+name, "unknown key")
		}
	}
}

// value fills a field, if the value fits.
func (f *filler) value(to reflect.Value, value any, key string) {
	if _, ok := to.Interface().(time.Duration); ok {
		f.duration(to, value, key)
		return
	}
	v := reflect.ValueOf(value)
	switch to.Kind() {
	case reflect.Struct:
		if table, ok := value.(map[string]any); ok {
			f.table(to, table, key+".")
			return
		}
	case reflect.Slice:
		if tables, ok := value.([]map[string]any); ok && to.Type().Elem().Kind() == reflect.Struct { // [[key]]
			filled := reflect.MakeSlice(to.Type(), len(tables), len(tables))
			for i := range tables {
				f.table(filled.Index(i), tables[i], fmt.Sprintf("%s[%d].", key, i+1))
			}
			to.Set(filled)
			return
		}
		if list, ok := value.([]any); ok {
			filled := reflect.MakeSlice(to.Type(), len(list), len(list))
			for i := range list {
				f.value(filled.Index(i), list[i], key)
			}
			to.Set(filled)
			return
		}
	case reflect.Int:
		if n, ok := value.(int64); ok {
			to.SetInt(n)
			return
		}
	default:
		if text, ok := value.(string); ok && strings.IndexByte(text, 0) >= 0 {
			f.wrong(key, "%q has a NUL", text) // which ends a path for the kernel
			return
		}
		if v.Type() == to.Type() {
			to.Set(v)
			return
		}
	}
	f.wrong(key, "want %s, not %s", kindName(to.Type()), kindName(v.Type()))
}

func (f *filler) duration(to reflect.Value, value any, key string) {
	text, ok := value.(string)
	if !ok {
		f.wrong(key, `want a duration such as "30s", not %s`, kindName(reflect.TypeOf(value)))
		return
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		f.wrong(key, `want a duration such as "30s", not %q`, text)
		return
	}
	to.SetInt(int64(d))
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a fraction"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Map:
		return "a table"
	}
	if t == reflect.TypeFor[time.Time]() {
		return "a date"
	}
	return "a table"
}
