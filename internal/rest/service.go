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

// GetInfo implements the operation of that name.
func (s *server) GetInfo(context.Context, GetInfoRequestObject) (GetInfoResponseObject, error) {
	return GetInfo200JSONResponse(s.info()), nil
}

// GetInfoV1 implements the operation of that name.
func (s *server) GetInfoV1(context.Context, GetInfoV1RequestObject) (GetInfoV1ResponseObject, error) {
	return GetInfoV1200JSONResponse(s.info()), nil
}

// GetInfoV2 implements the operation of that name.
func (s *server) GetInfoV2(context.Context, GetInfoV2RequestObject) (GetInfoV2ResponseObject, error) {
	return GetInfoV2200JSONResponse(s.info()), nil
}

func (s *server) info() Info {
	return Info{Name: s.Name, Version: s.Version, Environment: s.Environment}
}

// GetStatus implements the operation of that name. SEND, PDND and Redis are not
// part of it: without them the service degrades and still answers.
func (s *server) GetStatus(ctx context.Context, _ GetStatusRequestObject) (GetStatusResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		return nil, &positions.Error{Code: positions.Unavailable, Message: "the database does not answer", Err: err}
	}
	return GetStatus200ApplicationProblemPlusJSONResponse{
		Type: "about:blank", Title: "OK", Status: http.StatusOK, Detail: "the service answers", Code: "OK",
	}, nil
}

// GetOpenAPI implements the operation of that name.
func (s *server) GetOpenAPI(context.Context, GetOpenAPIRequestObject) (GetOpenAPIResponseObject, error) {
	return GetOpenAPI200ApplicationYamlResponse{Body: bytes.NewReader(source), ContentLength: int64(len(source))}, nil
}

// GetDocs implements the operation of that name.
func (s *server) GetDocs(context.Context, GetDocsRequestObject) (GetDocsResponseObject, error) {
	return GetDocs200TextHTMLResponse{Body: bytes.NewReader(s.contract.page), ContentLength: int64(len(s.contract.page))}, nil
}
