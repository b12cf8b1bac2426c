// Package orders is an example of a backend as it was before anyone thought of
// REST: proto2, no annotations, and failures that sit in the answer. It keeps its
// orders in memory.
package orders

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/protean-gateway/protean/examples/proto/orders"
)

// MaxFound is the number of orders that FindOrders returns at the most.
const MaxFound = 500

// Server is the orders service. It is safe for concurrent use.
type Server struct {
	pb.UnimplementedOrdersServer
	store *store
}

// New returns a back office with five orders. Two new ones answer the same
// requests in the same words: numbers and times are counted, not random.
func New() *Server { return &Server{store: newStore()} }

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { pb.RegisterOrdersServer(r, s) }

// GetOrder returns one order.
func (s *Server) GetOrder(_ context.Context, in *pb.OrderId) (*pb.Order, error) {
	if o := s.store.get(in.GetId()); o != nil {
		return o, nil
	}
	return nil, status.Errorf(codes.NotFound, "no order %d", in.GetId())
}

// FindOrders returns the orders that fit, by number.
func (s *Server) FindOrders(_ context.Context, in *pb.FindRequest) (*pb.OrderList, error) {
	fits := func(o *pb.Order) bool {
		return (in.Customer == nil || o.GetCustomer() == in.GetCustomer()) &&
			(len(in.GetState()) == 0 || slices.Contains(in.GetState(), o.GetState()))
	}
	found := s.store.all(fits)
	limit := min(int(in.GetLimit()), MaxFound)
	return &pb.OrderList{Order: found[:min(limit, len(found))]}, nil
}

// PlaceOrder keeps a new order and returns it with its number.
func (s *Server) PlaceOrder(_ context.Context, in *pb.Order) (*pb.Order, error) {
	if problem := wrong(in); problem != "" {
		return nil, status.Error(codes.InvalidArgument, problem)
	}
	o := proto.CloneOf(in)
	o.State = pb.Order_NEW.Enum()
	if !s.store.add(o) {
		return nil, status.Error(codes.ResourceExhausted, "the back office is full")
	}
	return o, nil
}

func wrong(o *pb.Order) string {
	switch {
	case o.Id != nil:
		return "the back office numbers orders"
	case strings.TrimSpace(o.GetCustomer()) == "":
		return "who is the customer?"
	case len(o.GetLine()) == 0:
		return "an order needs a line"
	}
	for _, l := range o.GetLine() {
		if l.GetBook() == "" || l.GetQuantity() < 1 {
			return "a line needs a book and a quantity"
		}
	}
	return ""
}

// Cancel cancels an order that was not sent yet. It does not fail with a status:
// the answer says why not.
func (s *Server) Cancel(_ context.Context, in *pb.OrderId) (*pb.CancelResult, error) {
	if whyNot := s.store.cancel(in.GetId()); whyNot != "" {
		return &pb.CancelResult{Ok: proto.Bool(false), WhyNot: &whyNot}, nil
	}
	return &pb.CancelResult{Ok: proto.Bool(true)}, nil
}
