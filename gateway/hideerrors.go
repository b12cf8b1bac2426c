package gateway

import (
	"context"
	"encoding/base64"
	"log/slog"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// hideErrors replaces the backend's errors whose codes the method's policy hides, for every protocol, and logs
// the originals. It stands outside everything that decides by errors, such as retries, and costs nothing without
// the policy.
func (p *policies) hideErrors(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		if c.Method.HiddenErrors == 0 {
			return next(ctx, c, s)
		}
		kept := &trailerKeeper{Stream: s}
		err := next(ctx, c, kept)
		if err != nil && rpc.FromBackend(err) && c.Method.HiddenErrors.Has(status.Code(err)) {
			p.logHidden(ctx, c, err)
			return status.Error(status.Code(err), hiddenMessage(ctx, err))
		}
		if len(kept.trailer) > 0 {
			s.SetTrailer(kept.trailer)
		}
		return err
	}
}

// trailerKeeper keeps the trailers from the client until it is known whether the error is hidden: backends put
// messages and stack traces into them as well.
type trailerKeeper struct {
	rpc.Stream
	trailer metadata.MD
}

func (k *trailerKeeper) SetTrailer(md metadata.MD) { k.trailer = metadata.Join(k.trailer, md) }

// hiddenMessage is what clients get in place of a message.
func hiddenMessage(ctx context.Context, err error) string {
	text := "the backend returned " + transport.CodeName(status.Code(err))
	if id := requestID(ctx); id != "" {
		text += "; the log of the gateway has its message, with request id " + id
	}
	return text
}

// Bounds of what a backend can have logged of one error.
const (
	maxLoggedText    = 4 << 10 // bytes of a message, and of a detail
	maxLoggedDetails = 16
)

func (p *policies) logHidden(ctx context.Context, c *rpc.Call, err error) {
	st := status.Convert(err)
	var details []string
	for _, d := range st.Proto().GetDetails()[:min(len(st.Proto().GetDetails()), maxLoggedDetails)] {
		details = append(details, shortened(detailText(d)))
	}
	p.log.LogAttrs(ctx, slog.LevelWarn, "error of the backend hidden from the client",
		slog.String("id", requestID(ctx)),
		slog.String("method", c.Method.Path),
		slog.String("backend", c.Method.Service.Backend.Name),
		slog.String("code", st.Code().String()),
		slog.String("message", shortened(st.Message())),
		slog.Any("details", details))
}

// detailText writes a detail as JSON if its type is known here, which those of google.rpc are.
func detailText(d *anypb.Any) string {
	if m, err := d.UnmarshalNew(); err == nil {
		return string(d.MessageName()) + " " + CompactJSON(m)
	}
	return string(d.MessageName()) + " " + base64.StdEncoding.EncodeToString(d.GetValue()[:min(len(d.GetValue()), maxLoggedText)])
}

func shortened(text string) string {
	if len(text) > maxLoggedText {
		return text[:maxLoggedText] + "…"
	}
	return text
}
