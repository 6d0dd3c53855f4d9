// Jest is silent about a file of which nothing could be run: this tells of it too, with the reasons.
export default class SkippedFiles {
  onTestResult(_test, { skipped, testResults }) {
    if (!skipped) return;
    for (const { fullName } of testResults) process.stderr.write(`○ skipped ${fullName}\n`);
  }
}
