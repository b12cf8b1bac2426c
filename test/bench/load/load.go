// Package load makes requests with as little work as it takes: it runs on the same
// processors as what it measures. It checks what comes back.
package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Clients runs work as often as there are clients, at once, and returns one of its errors.
func Clients(clients int, work func() error) error {
	var running sync.WaitGroup
	failed := make(chan error, clients)
	for range clients {
		running.Go(func() {
			if err := work(); err != nil {
				failed <- err
			}
		})
	}
	running.Wait()
	close(failed)
	return <-failed
}

// Request is an HTTP/1.1 request as it goes over the network.
type Request []byte

// NewRequest makes a request. A content type says that there is a body.
func NewRequest(method, target, contentType string, body []byte) Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\nAccept: */*\r\n", method, target)
	if contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n", contentType, len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// Repeat sends a request many times on one connection, each when the answer to the one
// before is there. Answers must be 200, and check must like each body, which is valid while it runs.
func (r Request) Repeat(address string, times int, check func(body []byte) error) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := &answers{reader: bufio.NewReaderSize(conn, 64<<10)}
	for range times {
		if _, err := conn.Write(r); err != nil {
			return err
		}
		if err := c.next(); err != nil {
			return err
		}
		if err := check(c.body); err != nil {
			return fmt.Errorf("%w: %.200s", err, c.body)
		}
	}
	return nil
}

// answers reads HTTP/1.1 answers one after the other.
type answers struct {
	reader *bufio.Reader
	body   []byte
}

func (a *answers) next() error {
	length, err := a.head()
	if err != nil {
		return err
	}
	a.body = a.body[:0]
	if length >= 0 {
		return a.take(length)
	}
	for {
		line, err := a.line()
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(line, 16, 32)
		if err != nil {
			return fmt.Errorf("chunk size %q", line)
		}
		if err := a.take(int(size)); err != nil {
			return err
		}
		if end, err := a.line(); err != nil || end != "" || size == 0 {
			return err
		}
	}
}

// head reads the head of an answer and returns the length of its body, or -1 for chunks.
func (a *answers) head() (length int, err error) {
	status, err := a.line()
	if err != nil {
		return 0, err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") {
		rest, _ := a.reader.Peek(min(a.reader.Buffered(), 1000))
		return 0, fmt.Errorf("%s: %s", status, rest)
	}
	for length = -1; ; {
		line, err := a.reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			return length, nil
		}
		if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text))); err != nil {
				return 0, err
			}
		}
	}
}

func (a *answers) line() (string, error) {
	line, err := a.reader.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}

func (a *answers) take(n int) error {
	start := len(a.body)
	a.body = append(a.body, make([]byte, n)...)
	_, err := io.ReadFull(a.reader, a.body[start:])
	return err
}

// Prefix returns a check that a body begins with a text.
func Prefix(text string) func([]byte) error {
	return func(body []byte) error {
		if !bytes.HasPrefix(body, []byte(text)) {
			return errors.New("unexpected answer")
		}
		return nil
	}
}
