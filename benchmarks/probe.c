/* Says when it was started, when it ended, or when it was asked to end: seconds of CLOCK_MONOTONIC.
 *
 *   probe start        prints the time as the first thing it does
 *   probe exit <ms>    waits, prints the time as the last thing it does
 *   probe both <ms>    prints the time as the first thing it does and, having waited, as the last
 *   probe term         waits for SIGTERM, prints the time at which its handler ran
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct timespec began, now;

static void say(void)
{
	char text[128];
	int length = 0;

	if (began.tv_sec)
		length = snprintf(text, sizeof text, "%lld.%09ld\n", (long long)began.tv_sec, began.tv_nsec);
	length += snprintf(text + length, sizeof text - length, "%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	_exit(write(1, text, length) == length ? 0 : 1);
}

static void on_term(int number)
{
	(void)number;
	clock_gettime(CLOCK_MONOTONIC, &now);
	say();
}

int main(int count, char **words)
{
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (count > 2 && (strcmp(words[1], "exit") == 0 || strcmp(words[1], "both") == 0)) {
		if (words[1][0] == 'b')
			began = now;
		usleep(1000 * atoi(words[2]));
		clock_gettime(CLOCK_MONOTONIC, &now);
	} else if (count > 1 && strcmp(words[1], "term") == 0) {
		signal(SIGTERM, on_term);
		for (;;)
			pause();
	}
	say();
}
