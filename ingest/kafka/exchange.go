package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// anyBroker stands for a broker in a request that every broker can answer.
const anyBroker = -1

// A rawRequest is encoded by kmsg and sent over kafka-go's connections. kafka-go itself knows no
// topic ids, and cannot ask for the end of a leader epoch.
type rawRequest struct {
	kmsg.Request
	least, most int16 // usable versions; the newest that the broker knows is used
}

// A directRequest is a rawRequest to one broker.
type directRequest struct {
	rawRequest
	broker int32
}

// A rawResponse is the response to a rawRequest.
type rawResponse struct{ kmsg.Response }

func (a *rawResponse) ApiKey() protocol.ApiKey { return protocol.ApiKey(a.Key()) }

func (r *rawRequest) ApiKey() protocol.ApiKey { return protocol.ApiKey(r.Key()) }

// Required makes kafka-go call RawExchange.
func (r *rawRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// Broker routes the request to its broker.
func (r *directRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerOf(cluster, r.broker)
}

// RawExchange sends the request and reads the response.
func (r *rawRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	version := r.most
	if r.least < r.most {
		known, err := exchange(rw, kmsg.NewPtrApiVersionsRequest(), 0)
		if err != nil {
			return nil, err
		}
		for _, k := range known.(*kmsg.ApiVersionsResponse).ApiKeys {
			if k.ApiKey == r.Key() {
				version = max(r.least, min(r.most, k.MaxVersion))
			}
		}
	}
	res, err := exchange(rw, r.Request, version)
	if err != nil {
		return nil, err
	}
	return &rawResponse{res}, nil
}

var errOutOfStep = errors.New("the broker's answer is not to this request")

// exchange sends one request and reads its response.
func exchange(rw io.ReadWriter, req kmsg.Request, version int16) (kmsg.Response, error) {
	req.SetVersion(version)
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID("rollcall"))
	if _, err := rw.Write(format.AppendRequest(nil, req, fetchCorrelation)); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	switch {
	case size < 4 || size > maxResponse:
		return nil, fmt.Errorf("an answer of %d bytes", size)
	case binary.BigEndian.Uint32(head[4:]) != fetchCorrelation:
		return nil, errOutOfStep
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(rw, body); err != nil {
		return nil, err
	}
	res := req.ResponseKind()
	if res.IsFlexible() && res.Key() != int16(kmsg.ApiVersions) {
		w := &wire{b: body}
		w.tags()
		body = w.b
	}
	return res, res.ReadFrom(body)
}

// tags skips the tagged fields of a response header.
func (w *wire) tags() {
	for n := w.uvarint(); n > 0 && !w.short; n-- {
		w.uvarint()
		w.bytes(int(w.uvarint()))
	}
}

func (w *wire) uvarint() uint32 {
	v, n := binary.Uvarint(w.b)
	if n <= 0 || v > 1<<31-1 {
		w.short = true
		w.b = nil
		return 0
	}
	w.b = w.b[n:]
	return uint32(v)
}

// send sends a request to a broker, or to any (anyBroker).
func (c *Cluster) send(ctx context.Context, broker int32, req kmsg.Request, least, most int16) (kmsg.Response, error) {
	raw := rawRequest{req, least, most}
	var message protocol.Message = &raw
	if broker != anyBroker {
		message = &directRequest{raw, broker}
	}
	res, err := c.ask(ctx, message, 0)
	if err != nil {
		return nil, err
	}
	return res.(*rawResponse).Response, nil
}

// within is send with a time limit.
func (c *Cluster) within(
	ctx context.Context, limit time.Duration, broker int32, req kmsg.Request, least, most int16,
) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.send(ctx, broker, req, least, most)
}
