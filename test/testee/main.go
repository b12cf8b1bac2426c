// Command testee is the program that the official protobuf conformance runner
// tests. It transcodes with package wire and with nothing else. Its first argument is the
// folder of the runner's .proto files, which the gateway's own compiler compiles. With
// `mask` as a second one, JSON is written by a field mask that names all fields.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/protean-gateway/protean/schema"
)

// maxRequest bounds a request, in bytes; the largest of the suite has some hundreds of kilobytes.
const maxRequest = 64 << 20

func main() {
	if err := serve(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testee:", err)
		os.Exit(1)
	}
}

// serve answers requests until the input ends.
func serve(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 || len(args) > 2 {
		return errors.New("usage: testee FOLDER [mask]")
	}
	snapshot, err := compile(args[0])
	if err != nil {
		return err
	}
	p, err := newProtocol(snapshot, len(args) == 2)
	if err != nil {
		return err
	}
	in = bufio.NewReader(in)
	for {
		request, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		response, err := p.answer(request)
		if err != nil {
			return err
		}
		if err := writeFrame(out, response); err != nil {
			return err
		}
	}
}

func compile(dir string) (*schema.Snapshot, error) {
	files, err := (&schema.ProtoFolder{Dir: dir}).Load(context.Background())
	if err != nil {
		return nil, err
	}
	snapshot, problems := schema.Compile(schema.Input{
		Backends: []schema.BackendFiles{{Name: "conformance", Files: files}},
	})
	for _, p := range problems {
		if p.Severity == schema.Error {
			return nil, fmt.Errorf("%s: %s", p.Element, p.Message)
		}
	}
	return snapshot, nil
}

// readFrame reads a message behind its length, of four bytes. It returns io.EOF
// where no further message begins.
func readFrame(in io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxRequest {
		return nil, fmt.Errorf("a request of %d bytes", n)
	}
	message := make([]byte, n)
	_, err := io.ReadFull(in, message)
	return message, err
}

func writeFrame(out io.Writer, message []byte) error {
	frame := binary.LittleEndian.AppendUint32(nil, uint32(len(message)))
	_, err := out.Write(append(frame, message...))
	return err
}
