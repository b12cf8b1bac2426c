// Package front serves the programs that the gateway is measured beside with the limits that
// every public server has, and the gateway too: without them they would do less.
package front

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// Serve listens on a free port of the loopback interface, prints its address and serves.
func Serve(h http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           h,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	return server.Serve(listener)
}
