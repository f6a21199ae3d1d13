/* other_curl.c - another library of the process that uses libcurl and, when
 * it goes, cleans up after itself. */
#include <curl/curl.h>

int other_begin(void);
int other_end(void);

static CURL *easy;

int other_begin(void) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
  easy = curl_easy_init();
  return easy == NULL;
}

int other_end(void) {
  curl_easy_cleanup(easy);
  curl_global_cleanup();
  return 0;
}
