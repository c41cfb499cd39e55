// Hellolab runs a program that opens a TLS connection and records its
// ClientHello with what is known of the program:
//
//	hellolab -o FILE -library OpenSSL -release 3.0.19 -program s_client -- \
//		openssl s_client -connect 127.0.0.1:{tls}
//
// In the command, {tls} becomes a port that expects TLS at once and {smtp} one
// that offers STARTTLS. One line of JSON is appended to FILE, or nothing and an
// error where no hello came. What differs from run to run or says something of
// the machine is zeroed: random, session id, key shares, tickets, and whatever
// lies in extensions that package clienthello does not read.
//
//	hellolab -pcap CAPTURE -o FILE
//
// writes the hellos of FILE as a capture, for other programs to read.
// scripts/lab-hellos runs both. It is for developers alone.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/mxprint/mxprint/clienthello"
)

// record is one line of the file.
type record struct {
	Library  string `json:"library"`
	Release  string `json:"release"`
	Program  string `json:"program"`            // and how it was called, where it matters
	Settings string `json:"settings,omitempty"` // "program" where the program sets ciphers, groups or versions itself
	Hello    string `json:"hello"`              // hex, from the first record header on
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hellolab:", err)
		os.Exit(1)
	}
}

func run() error {
	var r record
	out := flag.String("o", "", "file of hellos")
	flag.StringVar(&r.Library, "library", "", "TLS library")
	flag.StringVar(&r.Release, "release", "", "its release")
	flag.StringVar(&r.Program, "program", "", "program")
	flag.StringVar(&r.Settings, "settings", "", `"program" where the program changes the library's settings`)
	pcap := flag.String("pcap", "", "write the file's hellos to this capture")
	flag.Parse()
	if *pcap != "" {
		return writePcap(*out, *pcap)
	}
	if *out == "" || r.Library == "" || r.Release == "" || r.Program == "" || flag.NArg() == 0 {
		return errors.New("usage: hellolab -o FILE -library L -release R -program P [-settings program] -- COMMAND…")
	}
	hello, err := recordHello(flag.Args())
	if err != nil {
		return fmt.Errorf("%s %s, %s: %w", r.Library, r.Release, r.Program, err)
	}
	r.Hello = hex.EncodeToString(hello)
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(*out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Close()
}

// patience is how long a program may take to send its hello.
const patience = 60 * time.Second

// recordHello runs the command and returns the first hello that comes.
func recordHello(command []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	hellos := make(chan []byte, 8)
	replace := []string{}
	for _, smtp := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		name := map[bool]string{false: "{tls}", true: "{smtp}"}[smtp]
		replace = append(replace, name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
		go accept(l, smtp, hellos)
	}
	for i, arg := range command {
		command[i] = strings.NewReplacer(replace...).Replace(arg)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second // grandchildren may hold the pipes open
	err := cmd.Start()
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { err = cmd.Wait(); close(ended) }()
	defer func() { cancel(); <-ended }()
	select {
	case hello := <-hellos:
		return hello, nil
	case <-ended:
	}
	select {
	case hello := <-hellos:
		return hello, nil
	case <-time.After(100 * time.Millisecond): // what was sent is read by then
		return nil, fmt.Errorf("no hello came: %v: %.2000s", err, said.String())
	}
}

func accept(l net.Listener, smtp bool, hellos chan<- []byte) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			var from io.Reader = c
			if smtp {
				r := bufio.NewReader(c)
				if startTLS(c, r) != nil {
					return
				}
				from = r
			}
			if hello, err := readHello(from); err == nil {
				hellos <- hello
			}
		}()
	}
}

// startTLS speaks SMTP until the client is to begin TLS.
func startTLS(w io.Writer, r *bufio.Reader) error {
	fmt.Fprintf(w, "220 mx.example.net ESMTP\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		switch verb := strings.ToUpper(strings.TrimSpace(line)); {
		case verb == "STARTTLS":
			fmt.Fprintf(w, "220 2.0.0 Ready to start TLS\r\n")
			return nil
		case strings.HasPrefix(verb, "EHLO"):
			fmt.Fprintf(w, "250-mx.example.net\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
		default:
			fmt.Fprintf(w, "250 2.0.0 Ok\r\n")
		}
	}
}

// readHello reads one hello and returns its records, cleaned.
func readHello(r io.Reader) ([]byte, error) {
	var data []byte
	var h clienthello.Hello
	for buf := make([]byte, 4096); ; {
		n, err := r.Read(buf)
		data = append(data, buf[:n]...)
		switch parsed := h.Parse(data); {
		case parsed == nil:
			return clean(data)
		case !errors.Is(parsed, clienthello.ErrMore):
			return nil, fmt.Errorf("%w: % x", parsed, data[:min(len(data), 16)])
		case err != nil:
			return nil, err
		}
	}
}
