// Reads one secret in three ways and answers with a fingerprint of what each saw.
// A real function uses its secret; it never answers with it.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func handle(ctx context.Context) (map[string]string, error) {
	file, err := os.ReadFile("/tmp/vault/api-key")
	if err != nil {
		return nil, err
	}
	proxied, err := throughProxy(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"variable": fingerprint(os.Getenv("API_KEY")),
		"file":     fingerprint(string(file)),
		"proxy":    fingerprint(proxied),
	}, nil
}

// throughProxy asks the local Vault API, which needs no token.
func throughProxy(ctx context.Context) (string, error) {
	url := os.Getenv("VAULT_ADDR") + "/v1/" + os.Getenv("VAULT_SECRET_PATH_API")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, response.Status)
	}
	var secret struct {
		Data struct {
			Data map[string]string `json:"data"`
		} `json:"data"`
	}
	err = json.NewDecoder(response.Body).Decode(&secret)
	return secret.Data.Data["api-key"], err
}

func fingerprint(secret string) string {
	digest := sha256.Sum256([]byte(secret))
	return fmt.Sprintf("%x", digest[:4])
}

func main() {
	lambda.Start(handle)
}
