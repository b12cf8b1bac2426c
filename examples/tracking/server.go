// Package tracking is an example of a backend whose methods all stream: a server
// stream that may stay silent for ever, a client stream and a conversation.
package tracking

import (
	"errors"
	"io"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

// Server is the tracking service. It is safe for concurrent use.
type Server struct {
	trackingv1.UnimplementedTrackingServiceServer
	parcels map[string]*parcel
}

// New returns a service that knows four parcels:
//
//   - P-1001 is delivered after five events;
//   - P-1002 stands packed and never moves, so whoever watches it hears one
//     event and then nothing, unless there is a [Server.Post];
//   - P-1003 goes round the ring road for ever;
//   - P-1004 is delivered already.
//
// Each watcher sees a parcel's journey from its beginning, so two watchers see the same.
func New() *Server {
	s := &Server{parcels: make(map[string]*parcel)}
	for _, p := range seed() {
		s.parcels[p.events[0].GetParcel()] = p
	}
	return s
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { trackingv1.RegisterTrackingServiceServer(r, s) }

// ReportPositions adds up how far a van went.
func (s *Server) ReportPositions(stream grpc.ClientStreamingServer[trackingv1.Position, trackingv1.RouteSummary]) error {
	var last *trackingv1.Position
	sum := &trackingv1.RouteSummary{}
	for {
		p, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(sum)
		}
		if err != nil {
			return err
		}
		if err := checkPosition(p); err != nil {
			return err
		}
		if last != nil {
			sum.Kilometres += kilometres(last, p)
		}
		sum.Positions++
		last = p
	}
}

func checkPosition(p *trackingv1.Position) error {
	if !(p.GetLatitude() >= -90 && p.GetLatitude() <= 90) {
		return invalid("latitude", "must be from -90 to 90")
	}
	if !(p.GetLongitude() >= -180 && p.GetLongitude() <= 180) {
		return invalid("longitude", "must be from -180 to 180")
	}
	return nil
}

// Chat answers each line as it comes.
func (s *Server) Chat(stream grpc.BidiStreamingServer[trackingv1.ChatLine, trackingv1.ChatLine]) error {
	for {
		line, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&trackingv1.ChatLine{From: "courier", Text: answer(line)}); err != nil {
			return err
		}
	}
}

func answer(line *trackingv1.ChatLine) string {
	text := strings.ToLower(line.GetText())
	switch {
	case strings.Contains(text, "where"):
		return "Ten minutes from you."
	case strings.Contains(text, "thank"):
		return "You are welcome."
	case line.GetFrom() == "":
		return "Who is there?"
	default:
		return "Understood, " + line.GetFrom() + ": " + line.GetText()
	}
}

func invalid(field, description string) error {
	st := status.New(codes.InvalidArgument, field+": "+description)
	detailed, err := st.WithDetails(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: field, Description: description},
	}})
	if err != nil {
		return st.Err()
	}
	return detailed.Err()
}
