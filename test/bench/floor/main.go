// Floor is the least that a gateway made of net/http and grpc-go can do: it relays raw
// bytes between clients and the backend that its argument names, and looks into none of
// them. Its REST is bytes of protobuf, its routes and requests are constants, nothing has
// a limit or a deadline. It prints its address.
package main

import (
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
	"github.com/protean-gateway/protean/test/bench/front"
)

// bytesCodec passes *[]byte through.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (bytesCodec) Name() string { return "proto" }

var _ encoding.CodecV2 = bytesCodec{}

type floor struct {
	conn   *grpc.ClientConn
	get    []byte
	list   []byte
	watch  []byte
	stream grpc.StreamDesc
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch {
	case r.Header.Get("Content-Type") == "application/grpc":
		err = f.relay(w, r)
	case r.Method == http.MethodPost:
		err = f.post(w, r)
	case r.URL.Path == "/v1/books":
		err = f.unary(w, r, catalogv1.CatalogService_ListBooks_FullMethodName, f.list)
	case strings.HasPrefix(r.URL.Path, "/v1/books/"):
		err = f.unary(w, r, catalogv1.CatalogService_GetBook_FullMethodName, f.get)
	case strings.HasPrefix(r.URL.Path, "/v1/parcels/"):
		err = f.watchParcel(w, r)
	}
	if err != nil {
		log.Print(err)
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func (f *floor) unary(w http.ResponseWriter, r *http.Request, method string, request []byte) error {
	var answer []byte
	if err := f.conn.Invoke(r.Context(), method, &request, &answer); err != nil {
		return err
	}
	w.Header()["Content-Type"] = []string{"application/x-protobuf"}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
	_, err := w.Write(answer)
	return err
}

func (f *floor) post(w http.ResponseWriter, r *http.Request) error {
	request := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, request); err != nil {
		return err
	}
	return f.unary(w, r, catalogv1.CatalogService_CreateBook_FullMethodName, request)
}

func (f *floor) watchParcel(w http.ResponseWriter, r *http.Request) error {
	stream, err := f.conn.NewStream(r.Context(), &f.stream, trackingv1.TrackingService_WatchParcel_FullMethodName)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&f.watch); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	for {
		var event []byte
		if err := stream.RecvMsg(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if _, err := w.Write(event); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
	}
}

// relay passes one unary call of gRPC on, whatever it calls.
func (f *floor) relay(w http.ResponseWriter, r *http.Request) error {
	var head [5]byte
	if _, err := io.ReadFull(r.Body, head[:]); err != nil {
		return err
	}
	request := make([]byte, binary.BigEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(r.Body, request); err != nil {
		return err
	}
	var answer []byte
	if err := f.conn.Invoke(r.Context(), r.URL.Path, &request, &answer); err != nil {
		return err
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/grpc"}
	h["Trailer"] = []string{"Grpc-Status"}
	frame := binary.BigEndian.AppendUint32(make([]byte, 1, 5+len(answer)), uint32(len(answer)))
	if _, err := w.Write(append(frame, answer...)); err != nil {
		return err
	}
	h["Grpc-Status"] = []string{"0"}
	return nil
}

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
	if err != nil {
		log.Fatal(err)
	}
	f := &floor{conn: conn, stream: grpc.StreamDesc{ServerStreams: true}}
	for _, request := range []struct {
		to      *[]byte
		message proto.Message
	}{
		{&f.get, &catalogv1.GetBookRequest{Name: "books/1"}},
		{&f.list, &catalogv1.ListBooksRequest{PageSize: 100}},
		{&f.watch, &trackingv1.WatchParcelRequest{Parcel: "P", MaxEvents: 1000}},
	} {
		if *request.to, err = proto.Marshal(request.message); err != nil {
			log.Fatal(err)
		}
	}
	log.Fatal(front.Serve(f))
}
