#!/usr/bin/env bash
# build.sh LAB CLIENTS [PART…]: builds the clients that are compiled, into LAB/built and
# the overlays. What does not build is said, and left out.
lab=$1 clients=$2
shift 2
parts=${*:-go c haskell java rust}
say() { printf 'lab-dialects: %s\n' "$*" >&2; }

# go_ NAME RELEASE TOOLCHAIN SOURCE… -- MODULE@VERSION…
go_() {
	local name=$1 release=$2 chain=$3 d=$lab/golab/$1-$2 s
	shift 3
	[ ! -x "$lab/built/go/$name-$release" ] || return 0
	mkdir -p "$d" "$lab/built/go"
	cp "$clients/go/lab.txt" "$d/lab.go"
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		cp "$clients/go/$1.txt" "$d/$1.go"
		shift
	done
	shift
	printf 'module send\n\ngo %s\n' "$chain" >"$d/go.mod"
	(
		cd "$d" && export GOWORK=off GOTOOLCHAIN=go$chain CGO_ENABLED=0 GOFLAGS=-mod=mod
		for s in "$@"; do go get "$s"; done && go build -o "$lab/built/go/$name-$release" .
	) >"$d/log" 2>&1 || say "does not build: $name $release: $(tail -1 "$d/log")"
}

# java_ NAME RELEASE CLASS SOURCE NAMESPACE ARTIFACT…
java_() {
	local name=$1 release=$2 class=$3 ns=$4 d=$lab/jvm/$1-$2 a
	shift 4
	[ ! -e "$lab/built/java/$name-$release/class" ] || return 0
	mkdir -p "$d" "$lab/built/java/$name-$release"
	{
		echo '<project><modelVersion>4.0.0</modelVersion><groupId>lab</groupId><artifactId>lab</artifactId><version>1</version><dependencies>'
		for a in "$@"; do echo "<dependency><groupId>${a%%:*}</groupId><artifactId>$(cut -d: -f2 <<<"$a")</artifactId><version>${a##*:}</version></dependency>"; done
		echo '</dependencies></project>'
	} >"$d/pom.xml"
	sed "s/NAMESPACE/$ns/" "$clients/java/$class.java" >"$d/$class.java"
	cp "$clients/java/Lab.java" "$d/"
	(cd "$d" && mvn -q -B dependency:copy-dependencies -DoutputDirectory="$lab/built/java/$name-$release" &&
		javac -nowarn -cp "$lab/built/java/$name-$release/*" -d "$lab/built/java/$name-$release" Lab.java "$class.java") >"$d/log" 2>&1 &&
		echo "$class" >"$lab/built/java/$name-$release/class" || { say "does not build: $name $release: $(grep -m1 -i error "$d/log")"; rm -rf "$lab/built/java/$name-$release"; }
}

# rust_ NAME RELEASE SOURCE DEPENDENCIES
rust_() {
	local name=$1 release=$2 d=$lab/rustlab/$1-$2
	[ ! -x "$lab/built/rust/$name-$release" ] || return 0
	mkdir -p "$d/src" "$lab/built/rust"
	cp "$clients/rust/$3.rs" "$d/src/main.rs"
	printf '[package]\nname = "send"\nversion = "0.1.0"\nedition = "2021"\n[profile.dev]\ndebug = 0\n[dependencies]\n%b\n' "$4" >"$d/Cargo.toml"
	(cd "$d" && CARGO_TARGET_DIR=$lab/rustlab/target cargo build -q && cp "$lab/rustlab/target/debug/send" "$lab/built/rust/$name-$release") >"$d/log" 2>&1 ||
		say "does not build: $name $release: $(grep -m1 error "$d/log")"
}

part_go() {
	local v
	for v in 1.26.0 1.24.0 1.22.0 1.21.0 1.23.0 1.25.0; do go_ net_smtp $v $v net_smtp --; done
	go_ go-smtp 0.25.1 1.26.0 go-smtp go-smtp-new -- github.com/emersion/go-smtp@v0.25.1 github.com/emersion/go-sasl@v0.0.0-20241020182733-b788ff22d5a6
	go_ go-mail 0.7.2 1.26.0 go-mail -- github.com/wneessen/go-mail@v0.7.2
	go_ gomail 2.0 1.26.0 gomail -- gopkg.in/gomail.v2
	go_ go-simple-mail 2.16 1.26.0 go-simple-mail -- github.com/xhit/go-simple-mail/v2@v2.16.0
	go_ jordan-email 4.0 1.26.0 jordan-email -- github.com/jordan-wright/email
	go_ go-mail 0.5.2 1.24.0 go-mail -- github.com/wneessen/go-mail@v0.5.2
	go_ go-smtp 0.16.0 1.22.0 go-smtp go-smtp-old -- github.com/emersion/go-smtp@v0.16.0 github.com/emersion/go-sasl@v0.0.0-20220912192320-0145f2c60ead
	go_ go-smtp 0.21.3 1.24.0 go-smtp go-smtp-new -- github.com/emersion/go-smtp@v0.21.3 github.com/emersion/go-sasl@v0.0.0-20241020182733-b788ff22d5a6
}

part_c() {
	local r n
	for r in cpp12; do
		mkdir -p "$lab/ov/$r/root/tmp/lab/bin"
		cp -r "$clients/c" "$lab/ov/$r/root/tmp/lab/"
		for n in 'etpan cc -w -o bin/etpan c/etpan.c -letpan' 'poco c++ -w -o bin/poco c/poco.cc -lPocoNetSSL -lPocoNet -lPocoCrypto -lPocoFoundation' 'vmime c++ -w -o bin/vmime c/vmime.cc -lvmime'; do
			[ -x "$lab/ov/$r/root/tmp/lab/bin/${n%% *}" ] || chroot "$lab/ov/$r/root" sh -c "cd /tmp/lab; ${n#* }" || say "does not build: $n"
		done
	done
}

part_haskell() {
	local o=$lab/ov/hs12/root n
	mkdir -p "$o/tmp/lab/bin"
	cp -r "$clients/hs" "$o/tmp/lab/"
	for n in smtpmail; do
		[ -x "$o/tmp/lab/bin/$n" ] || chroot "$o" sh -c "cd /tmp/lab/hs; ghc -v0 -XOverloadedStrings -o ../bin/$n $n.hs" || say "does not build: $n"
	done
}

part_java() {
	java_ angus-mail 2.0.3 Mail jakarta org.eclipse.angus:angus-mail:2.0.3
	java_ commons-net 3.11.1 CommonsNet x commons-net:commons-net:3.11.1
	java_ vertx-mail-client 4.5.28 Vertx x io.vertx:vertx-mail-client:4.5.28
	java_ javax.mail 1.6.2 Mail javax com.sun.mail:javax.mail:1.6.2
	java_ NioSmtpClient 0.2.3 Nio x com.hubspot:NioSmtpClient:0.2.3
	java_ simple-java-mail 8.12.6 SimpleMail x org.simplejavamail:simple-java-mail:8.12.6
	java_ javax.mail 1.4.7 Mail javax javax.mail:mail:1.4.7
	java_ javax.mail 1.5.6 Mail javax com.sun.mail:javax.mail:1.5.6
	java_ jakarta.mail 2.0.1 Mail jakarta com.sun.mail:jakarta.mail:2.0.1
	java_ commons-net 3.6 CommonsNet x commons-net:commons-net:3.6
	java_ vertx-mail-client 5.0.7 Vertx x io.vertx:vertx-mail-client:5.0.7
}

part_rust() {
	rust_ lettre 0.11 lettre 'lettre = { version = "0.11", default-features = false, features = ["builder", "smtp-transport", "native-tls"] }'
	rust_ lettre 0.10 lettre 'lettre = { version = "0.10", default-features = false, features = ["builder", "smtp-transport", "rustls-tls"] }'
	rust_ mail-send 0.5 mail-send 'mail-send = { version = "0.5", default-features = false, features = ["ring", "tls12"] }\ntokio = { version = "1", features = ["rt", "macros"] }'
}

for p in $parts; do "part_$p"; done
