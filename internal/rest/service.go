package rest

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/attualizza/attualizza/positions"
)

// pingTimeout bounds how long /status waits for the store.
const pingTimeout = 2 * time.Second

// ReadInfo implements the operation of that name.
func (s *server) ReadInfo(context.Context, ReadInfoRequestObject) (ReadInfoResponseObject, error) {
	return ReadInfo200JSONResponse(s.info()), nil
}

// ReadInfoV1 implements the operation of that name.
func (s *server) ReadInfoV1(context.Context, ReadInfoV1RequestObject) (ReadInfoV1ResponseObject, error) {
	return ReadInfoV1200JSONResponse(s.info()), nil
}

// ReadInfoV2 implements the operation of that name.
func (s *server) ReadInfoV2(context.Context, ReadInfoV2RequestObject) (ReadInfoV2ResponseObject, error) {
	return ReadInfoV2200JSONResponse(s.info()), nil
}

func (s *server) info() Info {
	return Info{Name: s.Name, Version: s.Version, Environment: s.Environment}
}

// ReadStatus implements the operation of that name. SEND, PDND and Redis are not
// part of it: without them the service degrades and still answers.
func (s *server) ReadStatus(ctx context.Context, _ ReadStatusRequestObject) (ReadStatusResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		return nil, &positions.Error{Code: positions.Unavailable, Message: "the database does not answer", Err: err}
	}
	return ReadStatus200ApplicationProblemPlusJSONResponse{
		Type: "about:blank", Title: "OK", Status: http.StatusOK, Detail: "the service answers", Code: "OK",
	}, nil
}

// ReadOpenAPI implements the operation of that name.
func (s *server) ReadOpenAPI(context.Context, ReadOpenAPIRequestObject) (ReadOpenAPIResponseObject, error) {
	return ReadOpenAPI200ApplicationYamlResponse{Body: bytes.NewReader(source), ContentLength: int64(len(source))}, nil
}

// ReadDocs implements the operation of that name.
func (s *server) ReadDocs(context.Context, ReadDocsRequestObject) (ReadDocsResponseObject, error) {
	return ReadDocs200TextHTMLResponse{Body: bytes.NewReader(s.contract.page), ContentLength: int64(len(s.contract.page))}, nil
}
