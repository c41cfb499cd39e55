// Program go opens a TLS connection with Go's own settings: address, name.
package main

import (
	"crypto/tls"
	"os"
)

func main() {
	c, err := tls.Dial("tcp", os.Args[1], &tls.Config{ServerName: os.Args[2]})
	if err == nil {
		c.Close()
	}
}
