package config

import (
	"reflect"
	"slices"
)

// Changed compares the configuration as it was read with its file as it is now,
// and returns the keys whose values differ. An error says that the file cannot
// be read or is wrong. Without a file nothing changes.
func (c *Config) Changed() ([]string, error) {
	if c.path == "" {
		return nil, nil
	}
	// What was read is parsed again: a daemon may have filled in values.
	then, err := Parse(c.path, c.text)
	if err != nil {
		return nil, err
	}
	now, err := Load(c.path)
	if err != nil {
		return nil, err
	}
	keys := differing(reflect.ValueOf(then).Elem(), reflect.ValueOf(now).Elem(), "")
	slices.Sort(keys)
	return keys, nil
}

// differing are the keys of two structs whose values are not the same.
func differing(a, b reflect.Value, prefix string) (keys []string) {
	for i := range a.NumField() {
		name := a.Type().Field(i).Tag.Get("toml")
		switch {
		case name == "" && a.Type().Field(i).Anonymous: // its keys are in the same table
			keys = append(keys, differing(a.Field(i), b.Field(i), prefix)...)
		case name == "":
		case a.Field(i).Kind() == reflect.Struct:
			keys = append(keys, differing(a.Field(i), b.Field(i), prefix+name+".")...)
		case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			keys = append(keys, prefix+name)
		}
	}
	return keys
}
