package difftest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A dbForm is a small database and what p0f 3.09b does with it: accept, or
// refuse with a message that names a line.
type dbForm struct {
	name string
	text string
	line int // of the complaint; accepted, or refused without a line
	sigs int // signatures loaded, when accepted
}

const (
	accepted = 0
	noLine   = -1
)

// The beginnings of small databases. What follows tcpHead is line 4.
const (
	tcpHead  = "classes = c,d\n[tcp:request]\nlabel = s:c:N:f\n"
	mtuHead  = "[mtu]\nlabel = x\n"
	httpHead = "classes = c,d\n[http:request]\nlabel = s:!:N:f\nsys = @c\n"
)

// tcpParts are values of a tcp sig by p0f-v3.md §2.4; they stand on line 4.
func tcpParts() []dbForm {
	var out []dbForm
	add := func(ok bool, sigs ...string) {
		for _, s := range sigs {
			f := dbForm{name: "tcp sig " + s, text: tcpHead + "sig = " + s + "\n", sigs: 1}
			if !ok {
				f.line, f.sigs = 4, 0
			}
			out = append(out, f)
		}
	}
	part := func(ok bool, format string, values ...string) {
		for _, v := range values {
			add(ok, fmt.Sprintf(format, v))
		}
	}
	part(true, "%s:64:0:*:*,*:mss::0", "4", "6", "*")
	part(false, "%s:64:0:*:*,*:mss::0", "5", "", "46", "**", "4 ")
	part(true, "*:%s:0:*:*,*:mss::0", "1", "255", "064", "00000000064", "60+4", "254+1", "255+", "255+0", "1+0", "+4", "64-", "255-", "1-")
	part(false, "*:%s:0:*:*,*:mss::0", "0", "", "256", "x", "200+56", "+", "-", "0-", "0+4", "256-", "64+4+1", "64x", " 64", "64 ", "-64", "*")
	add(true, "*:64-:8:*:*,*:mss::0", "*:64-:12:*:*,*:mss::0", "*:64-0:*:*,*:mss::0")
	add(false, "*:64-8:0:*:*,*:mss::0", "*:64-::*:*,*:mss::0")
	part(true, "*:64:%s:*:*,*:mss::0", "0", "", "255", "00", "4")
	part(false, "*:64:%s:*:*,*:mss::0", "256", "*", "-1", "x", " 0")
	part(true, "*:64:0:%s:*,*:mss::0", "*", "0", "", "65535", "01460")
	part(false, "*:64:0:%s:*,*:mss::0", "65536", "-1", "**", "*1", "mss", "1460 ")
	part(true, "*:64:0:*:%s:mss::0", "*,*", "0,0", "65535,255", ",0", "1,", ",", "%2,0", "%65535,0", "mss*1,0", "mss*1000,0", "mtu*1,0",
		"mtu*1000,*", "%002,0", "mss*0004,*")
	part(false, "*:64:0:*:%s:mss::0", "65536,0", "*", "1", "1,256", "%1,0", "%0,0", "%,0", "%65536,0", "%*,0", "mss*0,0", "mss*1001,0",
		"mss*,0", "mtu*0,0", "mtu*1001,0", "mss,0", "mss4,0", "MSS*4,0", "mss * 4,0", "1, 0", "1,-1", "-1,0", "x,0", "**,0", "1,*x")
	part(true, "*:64:0:*:*,*:%s::0", "", "mss", "nop", "ws", "sok", "sack", "ts", "eol+0", "eol+255", "eol+", "?0", "?2", "?255", "?",
		"?30", "mss,", "mss,nop,eol+1", "mss,mss,ts,ts", "nop,?1,?2,?3", strings.TrimSuffix(strings.Repeat("nop,", 24), ","),
		strings.Repeat("nop,", 24))
	part(false, "*:64:0:*:*,*:%s::0", "eol", "eol+256", "eol+1,nop", "eol+1,eol+1", "?256", "?x", "foo", ",", "mss,,nop", ",mss", "MSS",
		"mss nop", "mss, nop", " mss", "mss ", "eol+0,mss", "eol-1", "msss", strings.TrimSuffix(strings.Repeat("nop,", 25), ","))
	part(true, "*:64:0:*:*,*:mss:%s:0", "", "df", "df,id+", "id-", "ecn", "0+", "flow", "seq-", "ack+", "ack-", "uptr+", "urgf+", "pushf+",
		"ts1-", "ts2+", "opt+", "exws", "bad", "df,", "df,df", "id+,id-", "df,id+,id-,ecn,0+,flow,seq-,ack+,ack-,uptr+,urgf+,pushf+,ts1-,ts2+,opt+,exws,bad")
	part(false, "*:64:0:*:*,*:mss:%s:0", "dff", "foo", ",", "df,,ecn", ",df", "DF", "df ecn", "df, ecn", " df", "id", "+", "ecn ")
	part(false, "6:64:0:*:*,*:mss:%s:0", "df", "id+", "id-", "0+", "ecn,df")
	part(true, "6:64:0:*:*,*:mss:%s:0", "flow", "ecn", "seq-,bad")
	part(false, "4:64:0:*:*,*:mss:%s:0", "flow", "df,flow")
	part(true, "4:64:0:*:*,*:mss:%s:0", "df,id+", "id-", "0+")
	part(true, "*:64:0:*:*,*:mss::%s", "0", "+", "*")
	part(false, "*:64:0:*:*,*:mss::%s", "", "1", "00", "0 ", "++", "x", "0:", "0\r")
	add(false, "", "*", "*:64", "*:64:0", "*:64:0:*", "*:64:0:*:*", "*:64:0:*:*,*", "*:64:0:*:*,*:mss", "*:64:0:*:*,*:mss:", "*:64:0:*:*,*:mss:0")
	return out
}

// httpParts are values of an http sig by p0f-v3.md §2.5; they stand on line 5.
func httpParts() []dbForm {
	var out []dbForm
	add := func(ok bool, sigs ...string) {
		for _, s := range sigs {
			f := dbForm{name: "http sig " + s, text: httpHead + "sig = " + s + "\n", sigs: 1}
			if !ok {
				f.line, f.sigs = 5, 0
			}
			out = append(out, f)
		}
	}
	names := func(n int) string { return strings.TrimSuffix(strings.Repeat("A,", n), ",") }
	add(true, "0:Host::", "1:Host::", "*:Host::", "*:::", "*:Host,::", "*:?Host::", "*:?Host=[a]::", "*:Host=[a:b,c]::",
		"*:A-b_9::", "*:Host:Keep-Alive,Via:", "*:Host:Via,:", "*:Host::some thing", "*:Host:: x", "*:"+names(32)+"::", "*::"+names(32)+":",
		"*:Host=[ ]::")
	add(false, "2:Host::", ":Host::", "*", "*:Host", "*:Host:", "*:,::", "*:Host,,Via::", "*:Host=[]::", "*:Host=[a::", "*:Host=a::", "*:Host=::", "*:Host=[a][::",
		"*:Ho st::", "*:Host::a:b", "*:"+names(33)+"::", "*::"+names(33)+":", "*:Host:?Via:", "*:Host:Via=[a]:", "*:??Host::", "1.1:Host::", "*:Hos.t::")
	return out
}

// places are the statements of p0f-v3.md §2.1 to §2.3 and where they may stand.
func places() []dbForm {
	const sig = "sig = *:64:0:*:*,*:mss::0\n"
	const web = "sig = *:Host::\n"
	ok := func(name, text string, sigs int) dbForm { return dbForm{name, text, accepted, sigs} }
	no := func(name, text string, line int) dbForm { return dbForm{name, text, line, 0} }
	return []dbForm{
		ok("empty file", "", 0),
		ok("comments and blanks", "; a\n\n   \n\t; b\n   ; c", 0),
		no("no newline, blanks before a trailing word", " \t x", 1),
		ok("last line without newline", tcpHead+strings.TrimSuffix(sig, "\n"), 1),
		ok("leading blanks", " classes = c\n\t[tcp:request]\n  label = s:c:N:f\n \t"+sig, 1),
		ok("no blanks about =", "classes=c\n[tcp:request]\nlabel=s:c:N:f\nsig=*:64:0:*:*,*:mss::0\n", 1),
		ok("tabs about =", "classes\t=\tc\n[tcp:request]\nlabel\t =\t s:c:N:f\n"+sig, 1),
		no("CRLF", "classes = c\r\n", 1),
		no("CR alone", "\r\n", 1),
		no("trailing blank in classes", "classes = c \n", 1),
		no("trailing blank in sig", tcpHead+"sig = *:64:0:*:*,*:mss::0 \n", 4),
		no("trailing comment", tcpHead+"sig = *:64:0:*:*,*:mss::0 ; x\n", 4),
		no("no =", "classes\n", 1),
		no("name with a digit", "classes2 = c\n", 1),
		no("name in capitals", "Classes = c\n", 1),
		no("unknown name", "colour = red\n", 1),
		no("name alone with =", "=\n", 1),
		ok("classes empty", "classes =\n", 0),
		ok("classes empty, blank", "classes = \n", 0),
		ok("classes twice", "classes = a,b\nclasses = b,  c\n", 0),
		ok("classes, digits", "classes = 9,a9\n", 0),
		no("classes, trailing comma", "classes = a,\n", 1),
		no("classes, blank before comma", "classes = a ,b\n", 1),
		ok("classes, two commas", "classes = a,,b\n", 0),
		ok("classes, leading comma", "classes = ,a\n", 0),
		no("classes, hyphen", "classes = a-b\n", 1),
		no("classes, underscore", "classes = a_b\n", 1),
		no("classes after a section", "[mtu]\nclasses = a\n", 2),
		ok("section alone", "[mtu]", 0),
		ok("every section", "[mtu]\n[tcp:request]\n[tcp:response]\n[http:request]\n[http:response]\n", 0),
		ok("section twice", mtuHead+"sig = 1\n[tcp:request]\n[mtu]\nlabel = y\nsig = 2\n", 2),
		no("section in capitals", "[MTU]\n", 1),
		no("section unknown module", "[udp]\n", 1),
		no("section unknown direction", "[tcp:both]\n", 1),
		no("section without direction", "[tcp]\n", 1),
		no("section mtu with direction", "[mtu:request]\n", 1),
		no("section open", "[tcp:request\n", 1),
		no("section with tail", "[tcp:request] \n", 1),
		no("section with comment", "[mtu] ; x\n", 1),
		no("section with blanks", "[ mtu ]\n", 1),
		no("label before a section", "classes = c\nlabel = s:c:N:f\n", 2),
		no("sig before a section", sig, 1),
		no("sys before a section", "sys = a\n", 1),
		no("sig without label", "[tcp:request]\n"+sig, 2),
		no("mtu sig without label", "[mtu]\nsig = 1\n", 2),
		ok("mtu", mtuHead+"sig = 1\nsig = 65535\nsig = 01500\nsig = 1500\nsig = 1500\n", 5),
		no("mtu zero", mtuHead+"sig = 0\n", 3),
		no("mtu too large", mtuHead+"sig = 65536\n", 3),
		no("mtu empty", mtuHead+"sig =\n", 3),
		no("mtu trailing blank", mtuHead+"sig = 1 \n", 3),
		no("mtu text", mtuHead+"sig = x\n", 3),
		no("mtu wildcard", mtuHead+"sig = *\n", 3),
		no("mtu sign", mtuHead+"sig = +1\n", 3),
		no("mtu label empty", "[mtu]\nlabel =\n", 2),
		ok("mtu label any text", "[mtu]\nlabel = a:b | \xff ; c \nsig = 3\n", 1),
		no("mtu sys", mtuHead+"sys = a\n", 3),
		ok("label twice", "classes = c\n[tcp:request]\nlabel = s:c:N:f\nlabel = s:c:N:g\n"+sig, 1),
		ok("label without sig at the end", tcpHead, 0),
		ok("label generic", "classes = c\n[tcp:request]\nlabel = g:c:N:f\n"+sig, 1),
		ok("label class in capitals", "classes = c\n[tcp:request]\nlabel = s:C:N:f\n"+sig, 1),
		ok("label flavor empty", "classes = c\n[tcp:request]\nlabel = s:c:N:\n"+sig, 1),
		ok("label flavor any", "classes = c\n[tcp:request]\nlabel = s:c:N:a:b|c ; d \xe9 \n"+sig, 1),
		ok("label name alphabet", "classes = c\n[tcp:request]\nlabel = s:c:aZ09 ./-_!?():\n"+sig, 1),
		no("label no flavor colon", "classes = c\n[tcp:request]\nlabel = s:c:N\n", 3),
		no("label name empty", "classes = c\n[tcp:request]\nlabel = s:c::f\n", 3),
		no("label name comma", "classes = c\n[tcp:request]\nlabel = s:c:a,b:f\n", 3),
		no("label name plus", "classes = c\n[tcp:request]\nlabel = s:c:a+b:f\n", 3),
		no("label name at", "classes = c\n[tcp:request]\nlabel = s:c:@b:f\n", 3),
		no("label name eight-bit", "classes = c\n[tcp:request]\nlabel = s:c:\xe9:f\n", 3),
		no("label type", "classes = c\n[tcp:request]\nlabel = x:c:N:f\n", 3),
		no("label type in capitals", "classes = c\n[tcp:request]\nlabel = S:c:N:f\n", 3),
		no("label type long", "classes = c\n[tcp:request]\nlabel = ss:c:N:f\n", 3),
		no("label empty", "classes = c\n[tcp:request]\nlabel =\n", 3),
		no("label class undeclared", "classes = c\n[tcp:request]\nlabel = s:e:N:f\n", 3),
		no("label class part of one", "classes = cc\n[tcp:request]\nlabel = s:c:N:f\n", 3),
		no("label class longer", "classes = c\n[tcp:request]\nlabel = s:cc:N:f\n", 3),
		no("label class empty", "classes = c\n[tcp:request]\nlabel = s::N:f\n", 3),
		no("label class and !", "classes = c\n[tcp:request]\nlabel = s:!c:N:f\n", 3),
		ok("userland", "classes = c\n[tcp:request]\nlabel = s:!:N:f\nsys = @c,Other (x),N\n"+sig, 1),
		ok("userland response", "[tcp:response]\nlabel = g:!:N:f\nsys = Other\n"+sig, 1),
		ok("sys empty", "[tcp:request]\nlabel = s:!:N:f\nsys =\n"+sig, 1),
		ok("sys blank", "[tcp:request]\nlabel = s:!:N:f\nsys = \n"+sig, 1),
		ok("sys blanks after comma", "classes = c\n[tcp:request]\nlabel = s:!:N:f\nsys = @c,   A,\tB\n"+sig, 1),
		ok("sys class in capitals", "classes = c\n[tcp:request]\nlabel = s:!:N:f\nsys = @C\n"+sig, 1),
		ok("sys before next section", "[tcp:request]\nlabel = s:!:N:f\n[mtu]\nlabel = x\nsig = 1\n", 1),
		no("sys missing", "[tcp:request]\nlabel = s:!:N:f\n"+sig, 3),
		no("sys missing, label", "[tcp:request]\nlabel = s:!:N:f\nlabel = s:!:N:g\n", 3),
		no("sys twice", "[tcp:request]\nlabel = s:!:N:f\nsys = A\nsys = B\n", 4),
		no("sys after sig", "[tcp:request]\nlabel = s:!:N:f\nsys = A\n"+sig+"sys = B\n", 5),
		no("sys for an operating system", tcpHead+"sys = A\n", 4),
		no("sys class undeclared", "[tcp:request]\nlabel = s:!:N:f\nsys = @z\n", 3),
		no("sys name", "[tcp:request]\nlabel = s:!:N:f\nsys = a+b\n", 3),
		ok("sys two commas", "[tcp:request]\nlabel = s:!:N:f\nsys = A,,B\n"+sig, 1),
		no("sys at alone", "[tcp:request]\nlabel = s:!:N:f\nsys = @\n", 3),
		ok("ua_os", "[http:request]\nua_os = Linux,Win=[Windows NT],iOS=[iP: a,d]\n", 0),
		ok("ua_os trailing comma", "[http:request]\nua_os = Linux,\n", 0),
		ok("ua_os no comma after ]", "[http:request]\nua_os = A=[x]B=[y]C\n", 0),
		ok("ua_os twice", "[http:request]\nua_os = A\nua_os = B\n", 0),
		ok("ua_os empty", "[http:request]\nua_os =\n", 0),
		ok("ua_os after a new header", httpHead+web+"[http:request]\nua_os = A\n", 1),
		no("ua_os after a label", httpHead+"ua_os = A\n", 5),
		no("ua_os in tcp", "[tcp:request]\nua_os = A\n", 2),
		no("ua_os in response", "[http:response]\nua_os = A\n", 2),
		no("ua_os before a section", "ua_os = A\n", 1),
		no("ua_os substring empty", "[http:request]\nua_os = A=[]\n", 2),
		no("ua_os substring open", "[http:request]\nua_os = A=[x\n", 2),
		no("ua_os substring bare", "[http:request]\nua_os = A=x\n", 2),
		no("ua_os name", "[http:request]\nua_os = A+B\n", 2),
		no("ua_os two commas", "[http:request]\nua_os = A,,B\n", 2),
		ok("http operating system", "classes = c\n[http:response]\nlabel = s:c:N:f\n"+web, 1),
		ok("mtu and tcp and http", "classes = c\n"+mtuHead+"sig = 9\n[http:request]\nlabel = g:c:N:f\n"+web+"[tcp:response]\nlabel = s:c:n:f\n"+sig, 3),
	}
}

// covered are pairs of signatures by p0f-v3.md §2.6: refused when the later one is
// already covered. Each stands on a line of its own from line 4 on.
func covered() []dbForm {
	var out []dbForm
	pair := func(name, a, b string, line int) {
		f := dbForm{name: "covered: " + name, text: tcpHead + "sig = " + a + "\nsig = " + b + "\n", line: line, sigs: 2}
		if line != accepted {
			f.sigs = 0
		}
		out = append(out, f)
	}
	const x = "4:64:0:1460:5840,7:mss,nop,ws:df,id+:0"
	pair("identical, ver 4", x, x, 5)
	pair("identical, ver * with df", "*"+x[1:], "*"+x[1:], accepted)
	pair("identical, ver * without quirks", "*:64:0:*:1,0:mss::0", "*:64:0:*:1,0:mss::0", 5)
	pair("ver 6 covers ver 4", "6:64:0:*:1,0:mss::0", "4:64:0:*:1,0:mss::0", 5)
	pair("ver * with df, then ver 4", "*"+x[1:], x, 5)
	pair("ver 4 with df, then ver *", x, "*"+x[1:], 5)
	pair("other scale", x, strings.Replace(x, ",7:", ",6:", 1), accepted)
	pair("scale wildcard first", strings.Replace(x, ",7:", ",*:", 1), x, 5)
	pair("scale wildcard second", x, strings.Replace(x, ",7:", ",*:", 1), accepted)
	pair("mss wildcard first", strings.Replace(x, "1460", "*", 1), x, 5)
	pair("mss wildcard second", x, strings.Replace(x, "1460", "*", 1), accepted)
	pair("mss wildcard both", strings.Replace(x, "1460", "*", 1), strings.Replace(x, "1460", "*", 1), 5)
	pair("payload wildcard first", x[:len(x)-1]+"*", x, 5)
	pair("payload wildcard second", x, x[:len(x)-1]+"*", accepted)
	pair("payload other", x, x[:len(x)-1]+"+", accepted)
	pair("window wildcard first", strings.Replace(x, "5840", "*", 1), x, 5)
	pair("window wildcard second", x, strings.Replace(x, "5840", "*", 1), accepted)
	pair("mss*4 covers the number", strings.Replace(x, "5840", "mss*4", 1), x, 5)
	pair("mss*5 does not", strings.Replace(x, "5840", "mss*5", 1), x, accepted)
	pair("mss*4 without a literal mss", "4:64:0:*:mss*4,0:mss::0", "4:64:0:*:5840,0:mss::0", accepted)
	pair("mss*4, number, mss below 100", "4:64:0:99:mss*4,0:mss::0", "4:64:0:99:396,0:mss::0", accepted)
	pair("mtu*4 covers 6000", strings.Replace(x, "5840", "mtu*4", 1), strings.Replace(x, "5840", "6000", 1), 5)
	pair("%1460 covers the number", strings.Replace(x, "5840", "%1460", 1), x, 5)
	pair("%1000 does not", strings.Replace(x, "5840", "%1000", 1), x, accepted)
	pair("%2 and mss*4", strings.Replace(x, "5840", "%2", 1), strings.Replace(x, "5840", "mss*4", 1), accepted)
	pair("window wildcard and mss*4", strings.Replace(x, "5840", "*", 1), strings.Replace(x, "5840", "mss*4", 1), accepted)
	pair("mss*4 twice", strings.Replace(x, "5840", "mss*4", 1), strings.Replace(x, "5840", "mss*4", 1), 5)
	pair("mss*4 and mss*5", strings.Replace(x, "5840", "mss*4", 1), strings.Replace(x, "5840", "mss*5", 1), accepted)
	pair("mss*4 and mtu*4", strings.Replace(x, "5840", "mss*4", 1), strings.Replace(x, "5840", "mtu*4", 1), accepted)
	pair("lower TTL in reach", x, strings.Replace(x, ":64:", ":60:", 1), 5)
	pair("higher TTL", x, strings.Replace(x, ":64:", ":65:", 1), accepted)
	pair("TTL 35 lower", x, strings.Replace(x, ":64:", ":29:", 1), 5)
	pair("TTL 36 lower", x, strings.Replace(x, ":64:", ":28:", 1), accepted)
	pair("random TTL covers all lower", strings.Replace(x, ":64:", ":64-:", 1), strings.Replace(x, ":64:", ":1:", 1), 5)
	pair("random TTL does not cover higher", strings.Replace(x, ":64:", ":64-:", 1), strings.Replace(x, ":64:", ":65:", 1), accepted)
	pair("quirk fewer (only fuzzy)", x, strings.Replace(x, "df,id+", "df", 1), accepted)
	pair("quirk more (only fuzzy)", x, strings.Replace(x, "df,id+", "df,id+,ecn", 1), accepted)
	pair("quirk order", x, strings.Replace(x, "df,id+", "id+,df", 1), 5)
	pair("layout order", x, strings.Replace(x, "mss,nop,ws", "nop,mss,ws", 1), accepted)
	pair("?2 is mss", x, strings.Replace(x, "mss,nop,ws", "?2,nop,ws", 1), 5)
	pair("EOL padding", "4:64:0:*:1,0:mss,eol+1::0", "4:64:0:*:1,0:mss,eol+2::0", accepted)
	pair("olen", x, strings.Replace(x, ":0:1460", ":4:1460", 1), accepted)
	pair("flow and ver 6", "*:64:0:*:1,0:mss:flow:0", "6:64:0:*:1,0:mss:flow:0", 5)
	two := func(name, between, section string, line, sigs int) {
		text := "classes = c\n[tcp:request]\nlabel = s:c:N:f\nsig = " + x + "\n" + section + between + "sig = " + x + "\n"
		out = append(out, dbForm{"covered: " + name, text, line, sigs})
	}
	two("by another label", "label = s:c:M:f\n", "", 6, 0)
	two("the later one generic", "label = g:c:M:f\n", "", 6, 0)
	two("in the other direction", "label = s:c:M:f\n", "[tcp:response]\n", accepted, 2)
	two("across a second header", "label = s:c:M:f\n", "[tcp:request]\n", 7, 0)
	generic := "classes = c\n[tcp:request]\nlabel = g:c:N:f\nsig = " + x + "\nsig = " + x + "\nlabel = s:c:N:g\nsig = " + x + "\n"
	out = append(out, dbForm{"covered: generic covers nothing", generic, accepted, 3})
	web := func(name, a, b string, line int) {
		f := dbForm{"covered: http " + name, httpHead + "sig = " + a + "\nsig = " + b + "\n", line, 2}
		if line != accepted {
			f.sigs = 0
		}
		out = append(out, f)
	}
	web("identical", "1:Host,Via::", "1:Host,Via::", 6)
	web("other version", "1:Host::", "0:Host::", accepted)
	web("any version first", "*:Host::", "0:Host::", 6)
	web("any version second", "1:Host::", "*:Host::", accepted)
	web("subsequence", "1:Host::", "1:Host,Via::", 6)
	web("other order", "1:Host,Via::", "1:Via,Host::", accepted)
	web("more forbidden first", "1:Host:Via:", "1:Host::", accepted)
	web("more forbidden second", "1:Host::", "1:Host:Via:", 6)
	web("other software", "1:Host::a", "1:Host::b", 6)
	web("substring first", "1:Host=[a]::", "1:Host::", accepted)
	web("substring second", "1:Host::", "1:Host=[a]::", 6)
	web("substring within", "1:Host=[a]::", "1:Host=[xay]::", 6)
	web("optional first", "1:?Via,Host::", "1:Host::", 6)
	return out
}

// complaintLine finds the line that p0f ("in line 4") or mxprint ("x.fp:4:")
// complains about; of two lines in one message the first is meant.
var complaintLine = regexp.MustCompile(`in line (\d+)|x\.fp:(\d+):`)
var loadedLine = regexp.MustCompile(`(?m)^\[\+\] Loaded (\d+) signatures? from`)

// verdict is what a program did with a database.
type verdict struct {
	Exit, Line, Sigs int
}

func judge(t *testing.T, p Program, dir, capture, text string) (verdict, Output) {
	t.Helper()
	db := filepath.Join(dir, "x.fp")
	if err := os.WriteFile(db, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), dir, capture, db)
	if err != nil {
		t.Fatal(err)
	}
	v := verdict{Exit: out.Exit}
	if out.Exit != 0 {
		v.Line = noLine
		if m := complaintLine.FindStringSubmatch(out.Stderr); m != nil {
			v.Line, _ = strconv.Atoi(m[1] + m[2])
		}
	}
	if m := loadedLine.FindStringSubmatch(out.Stdout); m != nil {
		v.Sigs, _ = strconv.Atoi(m[1])
	}
	return v, out
}

func databaseForms() []dbForm {
	var out []dbForm
	for _, l := range [][]dbForm{places(), tcpParts(), httpParts(), covered()} {
		out = append(out, l...)
	}
	return out
}

// tinyCapture writes a capture on which signatures of many forms decide.
func tinyCapture(t *testing.T, dir string) string {
	t.Helper()
	capture, err := Generate(3, Profile{Name: "tiny", Hosts: 4, Frames: 250, DB: CustomDatabase(4)})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tiny.pcap")
	if err := os.WriteFile(file, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDatabaseForms holds the table of p0f-v3.md §2 to the real p0f: exit status,
// line of the complaint, signatures loaded.
func TestDatabaseForms(t *testing.T) {
	p0f := Program{p0fPath(t)}
	dir := t.TempDir()
	capture := tinyCapture(t, dir)
	forms := databaseForms()
	for _, f := range forms {
		want := verdict{Sigs: f.sigs}
		if f.line != accepted {
			want = verdict{Exit: 1, Line: f.line}
		}
		if got, out := judge(t, p0f, dir, capture, f.text); got != want {
			t.Errorf("p0f on %q (%s) = %+v, want %+v\n%s", f.text, f.name, got, want, out.Stderr)
		}
	}
	t.Logf("%d databases", len(forms))
}

// TestDatabaseFormsDifferential wants mxprint to do the same with each of them.
// Those that are accepted must also make both write the same log, on a capture
// common to all and on one made for their own signatures.
func TestDatabaseFormsDifferential(t *testing.T) {
	p0f, mx := Program{p0fPath(t)}, Program{mxprintPath(t), "p0f"}
	dir := t.TempDir()
	capture := tinyCapture(t, dir)
	own := 0
	for _, f := range databaseForms() {
		want, a := judge(t, p0f, dir, capture, f.text)
		got, b := judge(t, mx, dir, capture, f.text)
		if got != want {
			t.Errorf("mxprint on %q (%s) = %+v, want %+v\n%s", f.text, f.name, got, want, b.Stderr)
			continue
		}
		if d := difference(a, b); !d.Equal() {
			d.Name = f.name
			t.Errorf("with %q: %v", f.text, d)
		}
		p := Profile{Name: f.name, Hosts: 3, Frames: 60, DB: f.text, Pace: Quick}
		if _, _, err := load(p); want.Exit != 0 || err != nil {
			continue // refused, without TCP signatures, or in a form that only p0f can read
		}
		own++
		d, err := Compare(context.Background(), 1, p, p0f[0], mx[0], dir)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Equal() {
			t.Errorf("with %q: %v", f.text, d)
		}
	}
	t.Logf("%d databases with a capture of their own", own)
}
