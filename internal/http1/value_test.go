package http1

import (
	"strings"
	"testing"
)

func TestLanguageOf(t *testing.T) {
	for value, want := range map[string]string{
		"en": "English", "de-AT,de;q=0.5": "German", "zu": "Zulu", "aa;q=1": "Afar", "cu": "Church Slavic", "en1": "English",
		"xx": "???", "EN": "???", "En-us": "???",
		"": "none", "e": "none", "eng": "none", "*": "none", "e1": "none", " en": "none", "i-klingon": "none", "é": "none",
	} {
		l := LanguageOf([]byte(value))
		if l.String() != want {
			t.Errorf("LanguageOf(%q) = %s, want %s", value, l, want)
		}
		if l.Named() != (want != "???" && want != "none") {
			t.Errorf("LanguageOf(%q).Named() = %v", value, l.Named())
		}
	}
	if s := Language(255).String(); s != "???" {
		t.Errorf("a language that is not there is %q", s)
	}
	for i, l := range languages {
		if len(l.code) != 2 || l.name == "" || i > 0 && l.code <= languages[i-1].code {
			t.Errorf("languages[%d] = %v", i, l)
		}
	}
}

// TestSeconds: what glibc takes for a date was tried with strptime of glibc
// 2.36.
func TestSeconds(t *testing.T) {
	const nov6 = 784111777
	for date, want := range map[string]uint32{
		"Sun, 06 Nov 1994 08:49:37 GMT":          nov6,
		"Sun, 06 Nov 1994 08:49:37":              nov6,
		"Sun, 06 Nov 1994 08:49:37 +0200":        nov6,
		"sunday, 6 november 1994 8:49:37 x":      nov6,
		"Mon,06Nov1994 08:49:37GMT":              nov6, // the weekday is not looked at
		"Fri, \t06  Nov  1994  08: 49: 37  GMT":  nov6,
		"Sun, 06 Nov 1994 08:49:60 GMT":          nov6 + 23,
		"Sun, 06 Nov 1994 08:49:70 GMT":          nov6 - 30, // 7, and the rest is the zone
		"Sun, 31 Nov 1994 08:49:37 GMT":          nov6 + 25*86400,
		"Thu, 01 Jan 1970 00:00:01 GMT":          1,
		"Thu, 01 Jan 1970 00:00:00 GMT":          0,
		"Wed, 31 Dec 1969 23:59:59 GMT":          1<<32 - 1,
		" Sun, 06 Nov 1994 08:49:37 GMT":         0,
		"Sun , 06 Nov 1994 08:49:37 GMT":         0,
		"Sunday, 06-Nov-94 08:49:37 GMT":         0,
		"Sun Nov  6 08:49:37 1994":               0,
		"Sun, 32 Nov 1994 08:49:37 GMT":          0,
		"Sun, 00 Nov 1994 08:49:37 GMT":          0,
		"Sun, 06 Nov 1994 24:49:37 GMT":          0,
		"Sun, 06 Nov 1994 08:60:37 GMT":          0,
		"Sun, 06 Nov 1994 08:49":                 0,
		"Sun, 06 Sept 1994 08:49:37 GMT":         0,
		"":                                       0,
		"Sun,":                                   0,
		"Sun, 06 Nov " + strings.Repeat("9", 99): 0,
	} {
		if got := Seconds([]byte(date)); got != want {
			t.Errorf("Seconds(%q) = %d, want %d", date, got, want)
		}
	}
}
