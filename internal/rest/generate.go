package rest

//go:generate go tool -modfile=../tools/oapi/go.mod oapi-codegen -config oapi.yaml -o api.gen.go api.yaml
